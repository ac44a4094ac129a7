import { readRecord, type StoredRecord } from '../../src/audit/stored-record.ts'
import { TrailReader } from './trail-reader.ts'

const pageLines = 4096

/** How far to look back: as far as the one of the two that goes further, and not before `since`. */
export interface LookBack {
  /** How many tokens. */
  readonly atLeast: number
  /** For how long before the newest token. */
  readonly withinMs: number
  readonly since: Date
  /** How many lines of the trail are looked through at most. */
  readonly maxLines: number
}

/** What is on record of access tokens, in order. */
interface TokenRecords {
  readonly records: readonly StoredRecord[]
  /** False: `maxLines` were too few for it. */
  readonly isWhole: boolean
}

/**
 * What is on record of access tokens that were issued at last, up to line `last` of a trail: by the run of the server
 * before this one, or by one before that, where starts in between have issued none.
 */
export async function lastIssued(
  path: string,
  last: number,
  lookBack: LookBack,
): Promise<TokenRecords> {
  const reader = new TrailReader(path)
  try {
    return await readBack(reader, last, lookBack)
  } finally {
    await reader[Symbol.asyncDispose]()
  }
}

async function readBack(
  reader: TrailReader,
  last: number,
  { atLeast, withinMs, since, maxLines }: LookBack,
): Promise<TokenRecords> {
  // Newest first.
  const pages: (readonly StoredRecord[])[] = []
  let count = 0
  let newestMs: number | undefined
  for (let upTo = last; upTo > 0; upTo -= pageLines) {
    if (last - upTo >= maxLines) return { records: pages.reverse().flat(), isWhole: false }
    const lines = await reader.read(Math.max(0, upTo - pageLines), upTo, pageLines)
    const issued = lines.flatMap(({ text }) => (isOfToken(text) ? (readRecord(text) ?? []) : []))
    pages.push(issued)
    count += issued.length
    newestMs ??= timeOf(issued.at(-1))
    const oldestMs = timeOf(readRecord(lines[0]?.text ?? '')) ?? 0
    const isEnough = newestMs !== undefined && count >= atLeast && oldestMs < newestMs - withinMs
    if (isEnough || oldestMs < since.getTime()) break
  }
  return { records: pages.reverse().flat(), isWhole: true }
}

/** So that not each line is read as a record. */
function isOfToken(text: string): boolean {
  return text.includes('"kind":"token.issued"') || text.includes('"kind":"token.exchanged"')
}

function timeOf(record: StoredRecord | undefined): number | undefined {
  return record && Date.parse(record.time)
}
