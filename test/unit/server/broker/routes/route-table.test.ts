import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { BrokerConfig } from '../../../../../server/broker/config.ts'
import { statePath } from '../../../../../server/broker/keys/credential-file.ts'
import { openCredentials } from '../../../../../server/broker/keys/credentials.ts'
import { openRouteTable } from '../../../../../server/broker/routes/route-table.ts'
import { readIntegration } from '../../../../../server/broker/settings.ts'
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
  const integrations = ['acme', 'beta'].map((id) =>
    readIntegration(
      {
        ...{ id, owner: 'sales', upstream: `https://${id}.example` },
        ...{ secret: { env: id }, inject: { header: 'X-Key' }, methods: ['GET'], paths: ['/**'] },
      },
      'https://broker.test',
    ),
  )
  const config = {
    issuer: 'https://as.test',
    integrations,
  } as Partial<BrokerConfig> as BrokerConfig
  const world = { shut: false }
  const table = await openRouteTable(config, {
    ...{ env: { acme: 'secret-of-acme', beta: 'secret-of-beta' }, keys, credentials, clock },
    ...{ read: async () => config, append: async () => {}, jwks: async () => '', log: silentLog },
    ...{ revocations: undefined, lookup: async () => [] },
    standing: { isShut: () => world.shut, judge: () => undefined },
  })
  onTestFinished(() => table.close())
  return { table, credentials, path, world }
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
