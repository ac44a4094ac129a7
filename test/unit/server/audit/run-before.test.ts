import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { endOfRunBefore } from '../../../../server/audit/run-before.ts'
import { issuedAmong } from '../../../../server/oauth/run-before.ts'
import { type ChainHead, chainStart, nextLine } from '../../../../src/audit/chain.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'

let folder: string
let path: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'run-before-'))
  path = join(folder, 'audit.log')
})
afterAll(() => rm(folder, { recursive: true }))

type Line = readonly [kind: AuditEvent['kind'], seconds: number, more?: Partial<AuditEvent>]

/** Writes a trail of these; resolves with how many lines it has. */
async function write(lines: readonly Line[]): Promise<number> {
  let head: ChainHead = chainStart
  const texts = lines.map(([kind, seconds, more]) => {
    const time = new Date(seconds * 1000)
    const next = nextLine(head, {
      ...{ kind, time, actor: { kind: 'server' }, decision: 'allow', ...more },
    })
    head = next.head
    return `${next.line}\n`
  })
  await writeFile(path, texts.join(''), { mode: 0o600 })
  return lines.length
}

const web = SpiffeId.parse('spiffe://example.org/web')
const issued = (jti: string, ends: number): Partial<AuditEvent> => ({
  ...{ jti, transaction: `txn-${jti}`, entryId: 'e', spiffeId: web, ttlSeconds: 300 },
  ...{ actor: { kind: 'workload', id: web, auth: 'spiffe_jwt', address: '192.0.2.1:9' } },
  ...{ audience: ['https://orders'], scope: ['read'], expiresAt: new Date(ends * 1000) },
  ...{
    authorityId: 'a-key',
    details: { rule: 'by-a-rule', fromAudience: 'https://web', fromDepth: 0, factsUpTo: 7 },
  },
})

test('of the run before, its last seconds, whatever this run has written since, page by page', async () => {
  const many = Array.from({ length: 3000 }, (_, at): Line => ['svid.x509.issued', 1100 + at / 300])
  const runs: readonly Line[] = [
    ...[['server.started', 1000] as const, ['token.issued', 1001, issued('first', 1301)] as const],
    ...[['server.stopped', 1002] as const, ['server.started', 1090] as const],
    ...[['token.issued', 1091, issued('early', 1391)] as const, ...many],
    ...[['token.issued', 1109, issued('last', 1409)] as const],
    ...[['server.started', 2000] as const, ...many.slice(0, 1500)],
  ]
  const last = await write(runs)
  const records = await endOfRunBefore(path, last, 7000)
  expect([records[0]?.time, records.at(-1)?.jti]).toEqual(['1970-01-01T00:18:22.000Z', 'last'])
  expect(records).toHaveLength(3000 - 600 + 1)
  const tokens = issuedAmong(records, new Date(1200_000))
  expect(tokens.map(({ factsUpTo }) => factsUpTo)).toEqual([7])
  expect(tokens.map(({ token }) => token)).toEqual([
    {
      ...{ jti: 'last', txn: 'txn-last', parent: undefined, entryId: 'e', owner: '', actors: [] },
      ...{ subject: web, clientId: web, audience: 'https://orders', scopes: ['read'] },
      ...{ auth: 'spiffe_jwt', address: '192.0.2.1:9', rule: 'by-a-rule', keyId: 'a-key' },
      from: { audience: 'https://web', depth: 0 },
      ...{ issuedAt: new Date(1109_000), expiresAt: new Date(1409_000) },
    },
  ])
  expect(issuedAmong(records, new Date(1409_000))).toEqual([])
})

test('of the first run there is nothing before it', async () => {
  const last = await write([
    ['server.started', 1],
    ['token.issued', 2, issued('own', 302)],
  ])
  expect(await endOfRunBefore(path, last, 7000)).toEqual([])
  expect(await endOfRunBefore(path, await write([]), 7000)).toEqual([])
})
