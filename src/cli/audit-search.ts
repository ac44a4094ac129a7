import { Command } from 'commander'
import { inAscii } from '../audit/in-ascii.ts'
import type { Found } from '../audit/search.ts'
import type { StoredRecord } from '../audit/stored-record.ts'
import { counted } from '../runtime/counted.ts'
import { outputOption } from './admin.ts'
import { unreadableTrail } from './audit-faults.ts'
import { type FilterOptions, filterOf, withFilter } from './audit-filter.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printable } from './output.ts'
import { usage } from './usage.ts'

interface Options extends FilterOptions {
  readonly limit?: number
  readonly last?: number
  readonly output: OutputFormat
}

const maxLast = 10_000

/** `countersign audit search` */
export function auditSearch(io: Io): Command {
  return withFilter(
    new Command('search')
      .description('the records of a trail that fit, oldest first')
      .argument('<file>', 'the audit_file of a server; the numbered ones beside it are read first'),
  )
    .option('--limit <count>', 'stop after so many', parseCount)
    .option('--last <count>', `the newest so many, at most ${maxLast}`, parseCount)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
JSON is one record a line, as it stands in the trail. Whether the trail is as it was written is what
"countersign audit verify" tells.

Examples:
  countersign audit search audit.log --kind token. --decision deny --since 1h
  countersign audit search audit.log --txn 8b1d6a3e-4c1f-4b53-9d2a-1f8c5b7a0001 -o json
  countersign audit search audit.log --spiffe-id spiffe://example.org/web --last 20`,
    )
    .action(async (file: string, options: Options) => {
      let shown = 0
      for await (const found of chosen(io, file, options)) {
        io.write(options.output === 'json' ? jsonLine(found) : tableLine(found, shown === 0))
        shown += 1
      }
      if (shown === 0) io.note('none')
    })
}

/** What the command line asks for. Throws as `unreadableTrail`, and what the signal throws. */
export async function* chosen(
  io: Io,
  file: string,
  options: FilterOptions & { readonly limit?: number; readonly last?: number },
): AsyncGenerator<Found> {
  const { searchFiles } = await import('../audit/search.ts')
  let broken = 0
  let left = options.limit ?? Number.POSITIVE_INFINITY
  const newest: Found[] = []
  try {
    const onBroken = (): void => {
      broken += 1
    }
    for await (const found of searchFiles(file, filterOf(options), onBroken, io.signal)) {
      io.signal.throwIfAborted()
      await io.drained()
      if (options.last === undefined) yield found
      else if (newest.push(found) > options.last) newest.shift()
      left -= 1
      if (left === 0) break
    }
  } catch (error) {
    io.signal.throwIfAborted()
    throw unreadableTrail(file, error as NodeJS.ErrnoException)
  }
  yield* newest
  noteBroken(io, file, broken)
}

/** How many lines were left out, where there are any. */
export function noteBroken(io: Io, file: string, broken: number): void {
  if (broken === 0) return
  io.note(
    `left out: ${counted(broken, 'line')} that no server wrote so: see "countersign audit verify ${file}"`,
  )
}

/** As it stands in the trail. What no server has written there, but somebody else, can drive no terminal. */
export function jsonLine({ line }: Found): string {
  const isAsWritten = /^[\x20-\x7e]*$/.test(line)
  return `${isAsWritten ? line : inAscii(JSON.stringify(JSON.parse(line)))}\n`
}

function tableLine({ record }: Found, first: boolean): string {
  const { n, time, kind, decision, actor, spiffeId, subject, audience, scope, reason } = record
  const about = spiffeId ?? subject ?? record.entryId ?? record.authorityId ?? ''
  const what = [...(audience ?? []), ...(scope ?? []), ...namedIn(record)].join(' ')
  const by = actor.id === about ? '' : `by ${actor.id ?? actor.address ?? actor.kind}`
  const cells = [about, what, reason ?? '', by].filter((cell) => cell !== '')
  const line = `${String(n).padStart(9)}  ${time.padEnd(24)}  ${decision.padEnd(5)}  ${kind.padEnd(20)}  ${cells.join('  ')}`
  const heading = `${'N'.padStart(9)}  ${'TIME'.padEnd(24)}  ${'WORD'.padEnd(5)}  ${'KIND'.padEnd(20)}  WHAT\n`
  return `${first ? heading : ''}${printable(line)}\n`
}

/** What was revoked, and which authority it is about. */
function namedIn({ kind, details = {}, authorityId }: StoredRecord): readonly string[] {
  const { kind: factKind, id, authority } = details
  const named = [
    ...(kind.startsWith('revocation.') ? [factKind, id] : []),
    ...(kind.startsWith('authority.') ? [authority, authorityId] : []),
  ]
  return named.filter((name) => name !== undefined).map(String)
}

export function parseCount(text: string): number {
  const count = Number(text)
  if (/^[0-9]{1,9}$/.test(text) && count >= 1 && count <= maxLast) return count
  throw usage(`not a count: ${text}`, `use a whole number from 1 to ${maxLast}`)
}
