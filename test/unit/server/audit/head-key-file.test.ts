import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { openHeadKeyFile } from '../../../../server/audit/head-key-file.ts'
import { memoryKeyManager } from '../../../../server/ca/key-manager.ts'
import { HeadKeys } from '../../../../src/audit/head-keys.ts'
import { readSignedHead, type SignedHead } from '../../../../src/audit/signed-head.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const trustDomain = TrustDomain.parse('example.org')
const chain = 'c0'.repeat(16)
let path: string

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'head-keys-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  path = join(folder, 'head-keys.json')
})

async function headBy(
  file: ReturnType<typeof openHeadKeyFile>,
  number: number,
): Promise<SignedHead> {
  const text = await file.sign({ chain, head: { number, hash: 'ab'.repeat(32) } })
  const head = await readSignedHead(text)
  if (head === undefined) throw new Error('the head is not signed')
  return head
}

test('keys for heads of a broker rotate by themselves, each announced, over restarts too', async () => {
  const clock = new FakeClock()
  const keys = memoryKeyManager()
  let file = openHeadKeyFile(path, { keys, trustDomain, clock })
  const first = await headBy(file, 1)
  const known = new HeadKeys([first.key])
  const seen = new Set([first.key])
  for (let hour = 2; hour < 80; hour += 1) {
    await clock.advance(3_600_000)
    if (hour % 5 === 0) file = openHeadKeyFile(path, { keys, trustDomain, clock })
    const head = await headBy(file, hour)
    expect(known.accepts(head)).toBe(true)
    seen.add(head.key)
  }
  expect(seen.size).toBeGreaterThanOrEqual(3)
  // Idle for longer than a key lives, the last one says once more which comes after it.
  for (const number of [99, 100, 101]) {
    await clock.advance(200 * 3_600_000)
    const head = await headBy(file, number)
    expect(known.accepts(head)).toBe(true)
    expect(head.next).toHaveLength(1)
  }
  await clock.advance(60_000)
  expect((await headBy(file, 102)).next).toEqual([])
})

test('a key takes over once a sixth of the life of the one before is left, and no sooner', async () => {
  const clock = new FakeClock()
  const file = openHeadKeyFile(path, { keys: memoryKeyManager(), trustDomain, clock })
  const first = await headBy(file, 1)
  await clock.advance(13 * 3_600_000)
  const announcing = await headBy(file, 2)
  expect(announcing.key).toBe(first.key)
  await clock.advance(7 * 3_600_000 - 1)
  expect((await headBy(file, 3)).key).toBe(first.key)
  await clock.advance(1)
  expect((await headBy(file, 4)).key).toBe(announcing.next[0])
})

test('a key that was made after the one before had ended is kept, so that a restart signs by it', async () => {
  const clock = new FakeClock()
  const keys = memoryKeyManager()
  const open = () => openHeadKeyFile(path, { keys, trustDomain, clock })
  const file = open()
  const { key } = await headBy(file, 1)
  await clock.advance(48 * 3_600_000)
  await headBy(file, 2)
  const next = await headBy(file, 3)
  expect(next.key).not.toBe(key)
  expect((await headBy(open(), 4)).key).toBe(next.key)
})

test('T22 keys for heads are sealed, in a file for their owner alone', async () => {
  const clock = new FakeClock()
  const keys = memoryKeyManager()
  await headBy(openHeadKeyFile(path, { keys, trustDomain, clock }), 1)
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readFileSync(path, 'utf8')).not.toMatch(/PRIVATE|"d"/)
  const other = openHeadKeyFile(path, { keys: memoryKeyManager(), trustDomain, clock })
  await expect(headBy(other, 2)).rejects.toMatchObject({ reason: 'sealed-key-refused' })
  writeFileSync(path, '{}')
  expect(() => openHeadKeyFile(path, { keys, trustDomain, clock })).toThrow(
    expect.objectContaining({ reason: 'head-keys-file' }),
  )
})
