import { readRecord, type StoredRecord } from '../../src/audit/stored-record.ts'
import { type TrailLine, TrailReader } from './trail-reader.ts'

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
  /** False: `maxLines` were too few for it, or files of the trail are not there any more. */
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
    const after = Math.max(0, upTo - pageLines)
    const lines = await readPage(reader, after, upTo)
    const issued = lines.flatMap(({ text }) => (isOfToken(text) ? (readRecord(text) ?? []) : []))
    pages.push(issued)
    count += issued.length
    newestMs ??= timeOf(issued.at(-1))
    const oldestMs = timeOf(readRecord(lines[0]?.text ?? '')) ?? Infinity
    const isEnough = newestMs !== undefined && count >= atLeast && oldestMs < newestMs - withinMs
    if (isEnough || oldestMs < since.getTime()) break
    const isMissing = lines[0]?.head.number !== after + 1
    if (isMissing) return { records: pages.reverse().flat(), isWhole: false }
  }
  return { records: pages.reverse().flat(), isWhole: true }
}

/** A reader goes no further at a time than its file does, and a page may begin in one file and end in another. */
async function readPage(reader: TrailReader, after: number, upTo: number): Promise<TrailLine[]> {
  const page: TrailLine[] = []
  for (let at = after; at < upTo; ) {
    const lines = await reader.read(at, upTo, upTo - at)
    const newest = lines.at(-1)
    if (newest === undefined) break
    page.push(...lines)
    at = newest.head.number
  }
  return page
}

/** So that not each line is read as a record. */
function isOfToken(text: string): boolean {
  return text.includes('"kind":"token.issued"') || text.includes('"kind":"token.exchanged"')
}

function timeOf(record: StoredRecord | undefined): number | undefined {
  return record && Date.parse(record.time)
}
