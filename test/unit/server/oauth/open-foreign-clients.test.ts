import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { openForeignClients } from '../../../../server/oauth/open-foreign-clients.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { reasonOf } from '../../../support/reason-of.ts'
import { trustDomain } from '../../../support/running-server.ts'

const [billing, stock] = ['billing', 'stock'].map((name) =>
  SpiffeId.parse(`spiffe://partner.example/${name}`),
) as [SpiffeId, SpiffeId]
let path = ''
let recorded: AuditEvent[] = []

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-clients-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  path = join(folder, 'clients.yaml')
  recorded = []
})

interface Said {
  readonly id: SpiffeId | string
  readonly owner?: string
  readonly labels?: Readonly<Record<string, string>>
}

function write(...clients: readonly Said[]): void {
  const said = clients.map(({ id, owner = 'partner', labels }) => ({
    ...{ spiffe_id: id, owner, labels },
  }))
  writeFileSync(path, JSON.stringify({ foreign_clients: said }))
}

function open() {
  const trail = { append: async (events: readonly AuditEvent[]) => void recorded.push(...events) }
  return openForeignClients(
    { foreignClients: new Map(), foreignClientsFile: path },
    { trustDomain, trail, clock: new FakeClock(), log: silentLog },
  )
}

/** Opened, with what is told of each change. */
async function followed(...first: readonly Said[]) {
  write(...first)
  const { clients, file = expect.fail() } = await open()
  let changes = 0
  clients.onChange(() => {
    changes += 1
  })
  const changeTo = async (change: () => void): Promise<readonly unknown[]> => {
    recorded = []
    change()
    for (let looks = 0; looks < 3; looks += 1) await file.look()
    return recorded.map(({ kind, reason, spiffeId, owner }) =>
      [kind, reason, spiffeId, owner].filter((one) => one !== undefined).join(' '),
    )
  }
  return { clients, changeTo, changes: () => changes }
}

test('those that a file lists are clients from the start, with what is said of them, and on record', async () => {
  const { clients } = await followed({ id: billing, labels: { env: 'prod' } })
  expect(clients.get(billing)).toMatchObject({ owner: 'partner', labels: { env: 'prod' } })
  expect(clients.get(stock)).toBe(undefined)
  expect(recorded).toMatchObject([
    {
      ...{ kind: 'clients.loaded', decision: 'allow', actor: { kind: 'server' } },
      details: { clients: 1, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    },
  ])
})

test('another list comes into force at once, is told, and each that is other in it is on record', async () => {
  const { clients, changeTo, changes } = await followed({ id: billing })
  expect(await changeTo(() => write({ id: billing }, { id: stock }))).toEqual([
    'clients.loaded',
    `client.added ${stock} partner`,
  ])
  expect(await changeTo(() => write({ id: stock, owner: 'others' }))).toEqual([
    'clients.loaded',
    `client.removed ${billing} partner`,
    `client.changed ${stock} others`,
  ])
  expect([clients.get(billing), clients.get(stock)?.owner, changes()]).toEqual([
    ...[undefined, 'others', 2],
  ])
  const labels = { env: 'prod' }
  expect(await changeTo(() => write({ id: stock, owner: 'others', labels }))).toEqual([
    'clients.loaded',
    `client.changed ${stock} others`,
  ])
  expect(await changeTo(() => write())).toHaveLength(2)
  expect(clients.get(stock)).toBe(undefined)
})

test('a list that is wrong fails the start; later it is refused and on record, and the one before stays', async () => {
  const wrong: readonly (readonly [() => void, string])[] = [
    [() => write({ id: billing }, { id: billing }), 'config-oauth'],
    [() => write({ id: `spiffe://${trustDomain}/web` }), 'config-oauth'],
    [() => write({ id: 'spiffe://partner.example/*' }), 'config-value'],
    [() => writeFileSync(path, 'foreign_clients: [\n'), 'config-syntax'],
    [() => writeFileSync(path, ''), 'config-value'],
    [() => writeFileSync(path, 'federation: []\nforeign_clients: []\n'), 'config-key'],
    [() => chmodSync(path, 0o646), 'oauth-file-mode'],
    [() => chmodSync(path, 0o644), 'config-key'],
    [() => write({ id: 'web' }), 'config-value'],
    [() => rmSync(path), 'federated-file'],
  ]
  const { clients, changeTo, changes } = await followed({ id: billing })
  for (const [change, reason] of wrong) {
    expect(await changeTo(change)).toEqual([`clients.refused ${reason}`])
    expect(await reasonOf(open())).toBe(reason)
    expect([clients.get(billing)?.owner, changes()]).toEqual(['partner', 0])
  }
})
