import { readFileSync } from 'node:fs'
import { appendFile, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { TrailReader } from '../../../../server/audit/trail-reader.ts'
import { type ChainHead, chainStart, nextLine } from '../../../../src/audit/chain.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'

/** What happens behind the next look at which files have their numbers. */
const listing = vi.hoisted(() => ({ behind: async (): Promise<void> => {} }))
vi.mock('../../../../src/audit/trail-files.ts', async (original) => {
  const real = await original<typeof import('../../../../src/audit/trail-files.ts')>()
  return {
    ...real,
    async numberedFiles(path: string) {
      const found = await real.numberedFiles(path)
      const { behind } = listing
      listing.behind = async () => {}
      await behind()
      return found
    },
  }
})

const records = 12_000
let folder: string
let path: string
let last: ChainHead

function event(padding: number): AuditEvent {
  return {
    ...{ kind: 'svid.x509.issued', time: new Date(0), actor: { kind: 'server' } },
    ...{ decision: 'allow', details: { padding: 'x'.repeat(padding) } },
  }
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reader-'))
  path = join(folder, 'audit.log')
  let head: ChainHead = chainStart
  let text = ''
  for (let number = 1; number <= records; number += 1) {
    const next = nextLine(head, event(number % 700))
    text += `${next.line}\n`
    head = next.head
    // What somebody else wrote between is no line of the trail, and hides none.
    if (number === records / 2) text += `${'no line\n'.repeat(20_000)}\n`
  }
  last = head
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

  test('goes on behind lines, and whole files, that cannot be read', async () => {
    const lines = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('{'))
    const file = (from: number, to: number) => `${lines.slice(from, to).join('\n')}\n`
    await writeFile(`${path}.000001`, file(0, 10), { mode: 0o600 })
    await writeFile(`${path}.000002`, `broken\n${file(11, 20)}`, { mode: 0o600 })
    await writeFile(`${path}.000003`, 'broken\n'.repeat(3), { mode: 0o600 })
    await writeFile(path, `broken\n${file(31, 40)}`, { mode: 0o600 })
    await using reader = new TrailReader(path)
    const found: number[] = []
    for (let at = 0; at < 40; ) {
      const numbers = (await reader.read(at, 40, 4)).map(({ head }) => head.number)
      if (numbers.length === 0) break
      found.push(...numbers)
      at = numbers.at(-1) ?? at
    }
    const to = (first: number, last: number) =>
      Array.from({ length: last - first + 1 }, (_, at) => first + at)
    expect(found).toEqual([...to(1, 10), ...to(12, 20), ...to(32, 40)])
  })

  test('leaves out nothing of a file that gets its number while the files are looked at', async () => {
    const lines = readFileSync(path, 'utf8').split('\n', 9)
    const file = (from: number, to: number) => `${lines.slice(from, to).join('\n')}\n`
    await writeFile(`${path}.000001`, file(0, 3), { mode: 0o600 })
    await writeFile(path, file(3, 6), { mode: 0o600 })
    listing.behind = async () => {
      await rename(path, `${path}.000002`)
      await writeFile(path, file(6, 9), { mode: 0o600 })
    }
    await using reader = new TrailReader(path)
    const found: number[] = []
    for (let tries = 0; tries < 2 && found.length === 0; tries += 1) {
      found.push(...(await reader.read(3, 9, 10)).map(({ head }) => head.number))
    }
    expect(found).toEqual([4, 5, 6])
  })

  test('holds some megabytes at most, however many lines it is asked for', async () => {
    let text = ''
    let head: ChainHead = chainStart
    for (let number = 1; number <= 12; number += 1) {
      const next = nextLine(head, {
        ...{ kind: 'policy.applied', time: new Date(0), actor: { kind: 'server' } },
        ...{ decision: 'allow', purpose: 'long words '.repeat(36_000) },
      })
      text += `${next.line}\n`
      head = next.head
    }
    await writeFile(path, text, { mode: 0o600 })
    await using reader = new TrailReader(path)
    expect(await reader.read(0, 12, 256)).toHaveLength(6)
    expect((await reader.read(6, 12, 256)).map(({ head }) => head.number)).toEqual([
      7, 8, 9, 10, 11, 12,
    ])
  })

  test('waits for the file that comes after one that has just got its number, and not for ever', async () => {
    await using reader = new TrailReader(path)
    expect(await reader.read(records - 1, records, 10)).toHaveLength(1)
    await rename(path, `${path}.000001`)
    expect(await reader.read(records, records + 1, 10)).toEqual([])
    await expect(reader.read(records, records + 1, 10)).rejects.toThrow('ENOENT')
    await appendFile(path, `${nextLine(last, event(1)).line}\n`)
    expect(await reader.read(records, records + 1, 10)).toHaveLength(1)
    await rename(path, `${path}.000002`)
    await using other = new TrailReader(path)
    expect(await other.read(records, records + 1, 10)).toHaveLength(1)
  })

  test('leaves nothing out where a file gets its number while it looks for it', async () => {
    await using reader = new TrailReader(path)
    let isListed = false
    listing.behind = async () => {
      isListed = true
      await rename(path, `${path}.000001`)
      await appendFile(path, `${nextLine(last, event(1)).line}\n`)
    }
    const [next] = await reader.read(1, records + 1, 10)
    expect([next?.head.number, isListed]).toEqual([2, true])
  })

  test('finds the last record without reading those before it', async () => {
    await using reader = new TrailReader(path)
    const before = bytesRead()
    expect(await reader.read(records - 1, records, 10)).toHaveLength(1)
    // Of 7 MB: half a chunk a step at most, and the last one.
    expect(bytesRead() - before).toBeLessThan(3_000_000)
  })
})
