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
  let records: readonly StoredRecord[] = []
  for (let upTo = last; upTo > 0; upTo -= pageLines) {
    const lines = await reader.read(Math.max(0, upTo - pageLines), upTo, pageLines)
    records = [...lines.flatMap(({ text }) => readRecord(text) ?? []), ...records]
    const before = records.slice(0, Math.max(0, startOfRun(records)))
    const [oldest, newest] = [before[0], before.at(-1)]
    if (oldest === undefined || newest === undefined) continue
    const fromMs = Date.parse(newest.time) - withinMs
    const isIn = ({ time }: StoredRecord): boolean => Date.parse(time) >= fromMs
    if (!isIn(oldest) || upTo <= pageLines) return before.filter(isIn)
  }
  return []
}

function startOfRun(records: readonly StoredRecord[]): number {
  return records.findLastIndex(({ kind }) => kind === 'server.started')
}
