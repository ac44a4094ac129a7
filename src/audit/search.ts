import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { inAscii } from './in-ascii.ts'
import { readRecord, type StoredRecord } from './stored-record.ts'
import { maxLineBytes, numberedFiles, openFiles, readLines } from './trail-files.ts'

/** What is looked for: all of what is named. */
export interface RecordFilter {
  /** A kind, or all that begin so: `token.`. */
  readonly kinds?: readonly string[] | undefined
  /** Anywhere: who, for whom, through whom, on which node. */
  readonly spiffeId?: string | undefined
  readonly owner?: string | undefined
  readonly entryId?: string | undefined
  /** Of the token itself, or of the one that it was made of. */
  readonly jti?: string | undefined
  readonly transaction?: string | undefined
  readonly decision?: 'allow' | 'deny' | undefined
  readonly reason?: string | undefined
  readonly since?: Date | undefined
  readonly until?: Date | undefined
  /** Anywhere in the line. */
  readonly text?: string | undefined
}

export interface Found {
  readonly record: StoredRecord
  /** As it stands in the file. */
  readonly line: string
}

/** Records get their time before their place: two neighbours may be out of order by this. */
const slackMs = 60_000

/**
 * The records of a trail's files that fit, oldest first, some at a time: memory is bounded by a line. `onBroken` is
 * told of lines that are no records. Throws what the file system throws, and the signal's reason.
 */
export async function* searchFiles(
  path: string,
  filter: RecordFilter,
  onBroken: (file: string) => void = () => {},
  signal?: AbortSignal,
): AsyncGenerator<Found> {
  const needles = needlesOf(filter)
  const fits = fitting(filter)
  for await (const { path: file, handle } of openFiles(
    path,
    await lastBefore(path, filter.since),
  )) {
    let read = 0
    const { size } = await handle.stat()
    for await (const lines of readLines(handle, 0)) {
      signal?.throwIfAborted()
      read = lines.at(-1)?.end ?? read
      for (const { text: line } of lines) {
        // A line without the words need not be read.
        if (!needles.every((forms) => forms.some((needle) => line.includes(needle)))) continue
        const record = readRecord(line)
        if (record === undefined) onBroken(file)
        else if (fits(record)) yield { record, line }
      }
    }
    // Where no line ends, nothing more is read; what was being written just then is shorter.
    if (size - read > maxLineBytes) onBroken(file)
  }
}

/** Of each its forms: a text may be one of a record, or a piece of the line. */
function needlesOf(filter: RecordFilter): readonly (readonly string[])[] {
  const { spiffeId, owner, entryId, jti, transaction, text } = filter
  const written = (one: string): string => inAscii(JSON.stringify(one)).slice(1, -1)
  const named = [spiffeId, owner, entryId, jti, transaction].flatMap((one) =>
    one === undefined ? [] : [[written(one)]],
  )
  return text === undefined ? named : [...named, [written(text), inAscii(text)]]
}

function fitting(filter: RecordFilter): (record: StoredRecord) => boolean {
  const { kinds, spiffeId, owner, entryId, jti, transaction, decision, reason, since, until } =
    filter
  const is = (wanted: string | undefined, ...found: readonly (string | undefined)[]): boolean =>
    wanted === undefined || found.includes(wanted)
  return (record) => {
    const { actor } = record
    const time = Date.parse(record.time)
    const named = namedBy(record)
    return (
      (kinds === undefined || kinds.some((kind) => isKind(record.kind, kind))) &&
      is(
        spiffeId,
        record.spiffeId,
        actor.id,
        actor.node,
        ...(record.actors ?? []),
        ...named('spiffe-id', 'node'),
        edgeOf(record),
      ) &&
      is(owner, record.owner, actor.owner, record.resourceOwner, ...named('owner')) &&
      is(entryId, record.entryId, actor.entryId, ...named('entry')) &&
      is(jti, record.jti, record.parentJti, ...named('token')) &&
      is(transaction, record.transaction, ...named('transaction')) &&
      is(decision, record.decision) &&
      is(reason, record.reason) &&
      (since === undefined || time >= since.getTime()) &&
      (until === undefined || time < until.getTime())
    )
  }
}

/** What was revoked, or was not to be, stands among the details, where a search for it has to look too. */
function namedBy({ kind, details }: StoredRecord): (...of: readonly string[]) => readonly string[] {
  const [what, id] = kind.startsWith('revocation.') ? [details?.['kind'], details?.['id']] : []
  return (...of) => (of.some((one) => one === what) && typeof id === 'string' ? [id] : [])
}

/** Who has asked in the place of a caller that has a static key alone. */
function edgeOf({ details }: StoredRecord): string | undefined {
  const edge = details?.['edge']
  return typeof edge === 'string' ? edge : undefined
}

function isKind(kind: string, wanted: string): boolean {
  return wanted.endsWith('.') ? kind.startsWith(wanted) : kind === wanted
}

/** The number of the last file whose successor begins before that time: it need not be read. */
async function lastBefore(path: string, since: Date | undefined): Promise<number> {
  if (since === undefined) return 0
  const full = await numberedFiles(path)
  const successors = [...full.slice(1).map((file) => file.path), path]
  for (let at = full.length - 1; at >= 0; at -= 1) {
    const handle = await open(successors[at] as string, constants.O_RDONLY)
    try {
      const first = await firstTime(handle)
      if (first !== undefined && first < since.getTime() - slackMs) return full[at]?.number ?? 0
    } finally {
      await handle.close()
    }
  }
  return 0
}

async function firstTime(file: FileHandle): Promise<number | undefined> {
  for await (const [first] of readLines(file, 0)) {
    const time = first === undefined ? undefined : readRecord(first.text)?.time
    return time === undefined ? undefined : Date.parse(time)
  }
  return undefined
}
