import { mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { BrokerConfig } from '../../../../../server/broker/config.ts'
import { statePath } from '../../../../../server/broker/keys/credential-file.ts'
import { openCredentials } from '../../../../../server/broker/keys/credentials.ts'
import { openRouteTable } from '../../../../../server/broker/routes/route-table.ts'
import { readIntegration } from '../../../../../server/broker/settings.ts'
import type { AuditEvent } from '../../../../../src/audit/event.ts'
import { silentLog } from '../../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'

const keys = { deriveKey: () => Buffer.alloc(32) }

/** A broker's table of two integrations, in the hands of a test. */
async function start() {
  const folder = mkdtempSync(join(tmpdir(), 'cs-routes-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const clock = new FakeClock()
  const path = statePath(folder)
  const credentials = openCredentials(path, keys, clock)
  const keyFile = join(folder, 'acme.key')
  const putKey = (key: string): void => writeFileSync(keyFile, key, { mode: 0o600 })
  putKey('secret-of-acme')
  const integrations = ['acme', 'beta'].map((id) =>
    readIntegration(
      {
        ...{ id, owner: 'sales', upstream: `https://${id}.example` },
        ...{ inject: { header: 'X-Key' }, methods: ['GET'], paths: ['/**'] },
        secret: id === 'acme' ? { file: keyFile } : { env: id },
      },
      'https://broker.test',
    ),
  )
  const events: AuditEvent[] = []
  const config = {
    issuer: 'https://as.test',
    integrations,
  } as Partial<BrokerConfig> as BrokerConfig
  const world = { shut: false }
  const table = await openRouteTable(config, {
    ...{ env: { beta: 'secret-of-beta' }, keys, credentials, clock },
    ...{ read: async () => config, jwks: async () => '', log: silentLog },
    append: async (more) => void events.push(...more),
    ...{ revocations: undefined, lookup: async () => [] },
    standing: { isShut: () => world.shut, judge: () => undefined },
  })
  onTestFinished(() => table.close())
  return { table, credentials, path, world, clock, events, putKey }
}

test('a revocation shuts all that it hits, though that cannot be written down, and that is made up for', async () => {
  const { table, credentials, path, world } = await start()
  mkdirSync(`${path}.new`)
  world.shut = true
  table.review()
  expect([...table.current().values()].map(({ calls }) => calls.isShut())).toEqual([true, true])
  rmdirSync(`${path}.new`)
  credentials.flush()
  const { record } = openCredentials(path, keys, new FakeClock())
  expect(record('acme')?.closedAt).toBeInstanceOf(Date)
  expect(record('beta')?.closedAt).toBeInstanceOf(Date)
})

test('a reload loses no call out of sight, keeps no connection of before, and shuts what was revoked meanwhile', async () => {
  const { table, credentials, world } = await start()
  const { agent, calls } = table.current().get('acme') ?? expect.fail()
  const retired = vi.spyOn(agent, 'retire')
  await table.reload()
  const next = table.current().get('acme') ?? expect.fail()
  expect([next.agent === agent, next.calls === calls, retired.mock.calls.length]).toEqual([
    ...[false, true, 1],
  ])
  world.shut = true
  await table.reload()
  expect(calls.isShut()).toBe(true)
  expect(credentials.record('acme')?.closedAt).toBeInstanceOf(Date)
})

test('a key that cannot be written down is not taken: neither on record, nor is the one in use any younger', async () => {
  const { table, credentials, path, clock, events, putKey } = await start()
  const since = clock.now()
  await clock.advance(60_000)
  events.length = 0
  putKey('the-next-of-acme')
  mkdirSync(`${path}.new`)
  for (let look = 0; look < 3; look += 1) await expect(table.takeKey('acme')).rejects.toThrow()
  expect([events, credentials.record('acme')?.since]).toEqual([[], since])
  rmdirSync(`${path}.new`)
  await table.takeKey('acme')
  expect(events).toMatchObject([{ kind: 'broker.key.taken', details: { replaces: true } }])
  expect(credentials.record('acme')).toMatchObject({ since: clock.now(), previous: { since } })
})
