import { readFileSync } from 'node:fs'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { TrailReader } from '../../../../server/audit/trail-reader.ts'
import { type ChainHead, chainStart, nextLine } from '../../../../src/audit/chain.ts'

const records = 12_000
let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reader-'))
  path = join(folder, 'audit.log')
  let head: ChainHead = chainStart
  let text = ''
  for (let number = 1; number <= records; number += 1) {
    const next = nextLine(head, {
      kind: 'svid.x509.issued',
      time: new Date(0),
      actor: { kind: 'server' },
      decision: 'allow',
      details: { padding: 'x'.repeat(number % 700) },
    })
    text += `${next.line}\n`
    head = next.head
    // What somebody else wrote between is no line of the trail, and hides none.
    if (number === records / 2) text += `${'no line\n'.repeat(20_000)}\n`
  }
  await appendFile(path, text, { mode: 0o600 })
})
afterEach(() => rm(folder, { recursive: true }))

/** Bytes that this process has read so far. */
function bytesRead(): number {
  return Number(/rchar: (\d+)/.exec(readFileSync('/proc/self/io', 'utf8'))?.[1])
}

describe('a reader of the trail', () => {
  test('goes on after any record, wherever that stands in the file', async () => {
    for (const after of [0, 1, 2, 999, 5998, 5999, 6000, 6001, 6002, 9000, 11_998, 11_999]) {
      await using reader = new TrailReader(path)
      const lines = await reader.read(after, records, 3)
      expect(lines.map(({ head }) => head.number)).toEqual(
        [after + 1, after + 2, after + 3].filter((number) => number <= records),
      )
    }
  })

  test('finds the last record without reading those before it', async () => {
    await using reader = new TrailReader(path)
    const before = bytesRead()
    expect(await reader.read(records - 1, records, 10)).toHaveLength(1)
    // Of 7 MB: half a chunk a step at most, and the last one.
    expect(bytesRead() - before).toBeLessThan(3_000_000)
  })
})
