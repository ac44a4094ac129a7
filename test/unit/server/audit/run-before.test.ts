import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { lastIssued } from '../../../../server/audit/run-before.ts'
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
    details: {
      ...{ rule: 'by-a-rule', fromAudience: 'https://web', fromDepth: 0, fromKeyId: 'its-key' },
      factsUpTo: 7,
    },
  },
})

const inSeconds = 7
const lookBack = { atLeast: 0, withinMs: inSeconds * 1000, since: new Date(0), maxLines: 20_000 }

test('of a run before, the tokens of its last seconds, whatever was written since, page by page', async () => {
  const many = Array.from({ length: 9000 }, (_, at): Line => ['svid.x509.issued', 1100 + at / 900])
  const runs: readonly Line[] = [
    ...[['server.started', 1000] as const, ['token.issued', 1001, issued('first', 1301)] as const],
    ...[['server.stopped', 1002] as const, ['server.started', 1090] as const],
    ...[['token.issued', 1091, issued('early', 1391)] as const, ...many],
    ...[['token.exchanged', 1105, issued('passed-on', 1409)] as const],
    ...[['token.issued', 1109, issued('last', 1409)] as const],
    ...[['server.started', 2000] as const, ...many.slice(0, 4500)],
  ]
  const last = await write(runs)
  const { records, isWhole } = await lastIssued(path, last, lookBack)
  expect(isWhole).toBe(true)
  expect(records.slice(-2).map(({ jti }) => jti)).toEqual(['passed-on', 'last'])
  const tokens = issuedAmong(records, new Date(1200_000))
  expect(tokens.map(({ factsUpTo }) => factsUpTo)).toEqual([7, 7])
  expect(tokens[1]?.token).toEqual({
    ...{ jti: 'last', txn: 'txn-last', parent: undefined, entryId: 'e', owner: '', actors: [] },
    ...{ subject: web, clientId: web, audience: 'https://orders', scopes: ['read'] },
    ...{ auth: 'spiffe_jwt', address: '192.0.2.1:9', rule: 'by-a-rule', keyId: 'a-key' },
    from: { audience: 'https://web', depth: 0, keyId: 'its-key' },
    ...{ issuedAt: new Date(1109_000), expiresAt: new Date(1409_000) },
  })
  expect(issuedAmong(records, new Date(1409_000))).toEqual([])
})

test('T26 a start that failed, and what it wrote much later, does not make the next one forget the run that was killed', async () => {
  const last = await write([
    ...[['server.started', 1000] as const, ['token.issued', 1001, issued('killed', 1301)] as const],
    ...[['server.started', 1060] as const, ['server.stopped', 1061] as const],
    ...[['server.started', 1090] as const, ['server.stopped', 1091] as const],
    ['server.started', 1100],
  ])
  const { records } = await lastIssued(path, last, lookBack)
  expect(records.map(({ jti }) => jti)).toEqual(['killed'])
})

test('as many tokens as may have waited for a store that took none are found, however long before, and none from before the bound', async () => {
  const tokens = Array.from(
    { length: 10_000 },
    (_, at): Line => ['token.issued', 1000 + at, issued(`at-${at}`, 20_000)],
  )
  const last = await write(tokens)
  const find = async (more: object) =>
    (await lastIssued(path, last, { ...lookBack, ...more })).records.map(({ jti }) => jti)
  expect((await find({})).length).toBeLessThan(5000)
  const found = await find({ atLeast: 6000 })
  expect(found.length).toBeGreaterThanOrEqual(6000)
  expect(found.at(-1)).toBe('at-9999')
  expect((await find({ atLeast: 9999, since: new Date(9000_000) })).length).toBeLessThan(5000)
})

test('what was written since the trail began a new file is found with what was written before', async () => {
  const last = await write([
    ...[['token.issued', 1000, issued('before', 1300)] as const, ['server.started', 1001] as const],
    ...[['token.issued', 1002, issued('after', 1302)] as const, ['server.started', 1003] as const],
  ])
  const lines = (await readFile(path, 'utf8')).split(/(?<=\n)/)
  await writeFile(`${path}.000001`, lines.slice(0, 2).join(''))
  await writeFile(path, lines.slice(2).join(''))
  const found = await lastIssued(path, last, lookBack)
  await rm(`${path}.000001`)
  expect(found.records.map(({ jti }) => jti)).toEqual(['before', 'after'])
  expect(found.isWhole).toBe(true)
  // Where somebody has put the older file away, that is said, unless it is too old to matter.
  const rest = await lastIssued(path, last, lookBack)
  expect([rest.records.map(({ jti }) => jti), rest.isWhole]).toEqual([['after'], false])
  const since = new Date(1002_500)
  expect((await lastIssued(path, last, { ...lookBack, since })).isWhole).toBe(true)
})

test('it is said where the lines that are looked through were too few', async () => {
  const others = Array.from({ length: 21_000 }, (): Line => ['svid.x509.issued', 1100])
  const last = await write([['token.issued', 1000, issued('far', 1300)], ...others])
  expect(await lastIssued(path, last, lookBack)).toEqual({ records: [], isWhole: false })
})

test('of the first run there is nothing before it', async () => {
  expect(await lastIssued(path, await write([['server.started', 1]]), lookBack)).toEqual({
    ...{ records: [], isWhole: true },
  })
  expect(await lastIssued(path, await write([]), lookBack)).toEqual({ records: [], isWhole: true })
})
