import { readRecord, type StoredRecord } from '../../src/audit/stored-record.ts'
import { TrailReader } from './trail-reader.ts'

const pageLines = 1024

/**
 * What the run of the server before this one has put on record in its last `withinMs`, in order, by a trail whose last
 * line is `last` and in which this run has said that it began. `[]` where there was none.
 */
export async function endOfRunBefore(
  path: string,
  last: number,
  withinMs: number,
): Promise<readonly StoredRecord[]> {
  const reader = new TrailReader(path)
  try {
    return await readEnd(reader, last, withinMs)
  } finally {
    await reader[Symbol.asyncDispose]()
  }
}

async function readEnd(
  reader: TrailReader,
  last: number,
  withinMs: number,
): Promise<readonly StoredRecord[]> {
  // Newest first.
  const pages: (readonly StoredRecord[])[] = []
  let isBefore = false
  let fromMs: number | undefined
  for (let upTo = last; upTo > 0; upTo -= pageLines) {
    const lines = await reader.read(Math.max(0, upTo - pageLines), upTo, pageLines)
    const records = lines.flatMap(({ text }) => readRecord(text) ?? [])
    const start = isBefore ? records.length : startOfRun(records)
    if (start < 0) continue
    isBefore = true
    const before = records.slice(0, start)
    const [oldest, newest] = [before[0], before.at(-1)]
    if (oldest === undefined || newest === undefined) continue
    fromMs ??= Date.parse(newest.time) - withinMs
    const sinceMs = fromMs
    pages.push(before.filter(({ time }) => Date.parse(time) >= sinceMs))
    if (Date.parse(oldest.time) < sinceMs) break
  }
  return pages.reverse().flat()
}

function startOfRun(records: readonly StoredRecord[]): number {
  return records.findLastIndex(({ kind }) => kind === 'server.started')
}
