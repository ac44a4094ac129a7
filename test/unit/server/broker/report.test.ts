import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { BrokerConfig } from '../../../../server/broker/config.ts'
import { statePath } from '../../../../server/broker/keys/credential-file.ts'
import { openCredentials } from '../../../../server/broker/keys/credentials.ts'
import { reportOf } from '../../../../server/broker/report.ts'
import type { Integration } from '../../../../server/broker/settings.ts'
import { memoryKeyManager } from '../../../../server/ca/key-manager.ts'
import { Secret } from '../../../../src/runtime/secret.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const day = 86_400_000

function integration(id: string, more: Partial<Integration> = {}): Integration {
  return {
    ...{ id, audience: `https://broker.example.org/${id}`, owner: 'sales', disabled: false },
    ...{ issuedAt: undefined, maxAgeSeconds: undefined, reopenedAt: undefined, ...more },
  } as Integration
}

/** As the command finds them: by the configuration, and by what a broker that has stopped wrote down. */
function reports(dataDir: string, now: Date, ...integrations: readonly Integration[]) {
  return reportOf({ dataDir, integrations } as unknown as BrokerConfig, now)
}

test('the report says of each key whether it may be used, until when, and when it was', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-report-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const clock = new FakeClock()
  const began = clock.now()
  const after = (ms: number): Date => new Date(began.getTime() + ms)
  const credentials = openCredentials(statePath(folder), memoryKeyManager(), clock)
  const acme = integration('acme', { maxAgeSeconds: 86_400 })
  const pay = integration('pay')
  const take = (key: string) =>
    credentials.admit([
      { integration: acme, secret: new Secret(key) },
      { integration: pay, secret: new Secret('the-key-of-pay') },
    ])
  take('the-first-key')
  clock.jump(1000)
  credentials.used('acme', 'current')
  clock.jump(1000)
  take('the-second-key')
  credentials.close('pay', clock.now())
  credentials.flush()

  const taken = after(2000)
  const said = (now: Date, ...more: readonly Integration[]) =>
    reports(folder, now, acme, ...more).map(({ id, state }) => [id, state])
  expect(reports(folder, clock.now(), acme)).toEqual([
    {
      ...{ id: 'acme', owner: 'sales', state: 'open', since: taken, endsAt: after(2000 + day) },
      ...{ lastUsed: undefined, calls: 1 },
      previous: { since: began, replacedAt: taken, lastUsed: after(1000) },
    },
  ])
  expect(said(after(2000 + day))).toEqual([['acme', 'open']])
  expect(said(after(2001 + day))).toEqual([['acme', 'old']])
  const reopened = integration('pay', { reopenedAt: after(2001) })
  expect(said(taken, pay, integration('new'), { ...pay, disabled: true }, reopened)).toEqual([
    ['acme', 'open'],
    ['pay', 'closed'],
    ['new', 'new'],
    ['pay', 'disabled'],
    ['pay', 'open'],
  ])
})
