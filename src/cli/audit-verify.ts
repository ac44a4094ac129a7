import { Command } from 'commander'
import type { ChainFault, ChainHead } from '../audit/chain.ts'
import type { TrailVerdict } from '../audit/verify-files.ts'
import { CountersignError } from '../errors.ts'
import { outputOption } from './admin.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printRecord } from './output.ts'

interface Options {
  readonly head?: ChainHead
  readonly output: OutputFormat
}

/** `countersign audit verify` */
export function auditVerify(io: Io): Command {
  return new Command('verify')
    .description('whether an audit trail is as it was written; exit code 1 where not')
    .argument('<file>', 'the audit_file of a server; the numbered ones beside it are read first')
    .option('--head <number:hash>', 'the last record, as known from elsewhere', parseHead)
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
Without --head an end that was cut off is not found: the chain that is left is whole in itself.

Example:
  countersign audit verify /var/lib/countersign/server/audit.log`,
    )
    .action(async (file: string, options: Options) => {
      const { verifyFiles } = await import('../audit/verify-files.ts')
      const work = verifyFiles(file, options.head).catch((error: NodeJS.ErrnoException) => {
        throw unreadable(file, error)
      })
      const verdict = await io.progress('verifying', work)
      report(io, options.output, verdict)
      if (verdict.fault !== undefined) throw broken(verdict.fault)
    })
}

function report(io: Io, output: OutputFormat, verdict: TrailVerdict): void {
  const { verified, from, head, fault } = verdict
  printRecord(io, output, { ...verdict, fault: fault ?? null }, [
    ['records', String(verified)],
    ['from', from.number === 0 ? 'the beginning' : `record ${from.number + 1}`],
    ['head', `${head.number}:${head.hash}`],
    ['verdict', fault === undefined ? 'whole' : fault.kind],
  ])
  if (verdict.unfinished > 0) {
    io.note(`${verdict.unfinished} bytes of a line that is not finished stand at the end`)
  }
}

const meanings: Readonly<Record<ChainFault, string>> = {
  'line-changed': 'was changed after it was written',
  'line-out-of-place': 'does not follow the line before it: lines were taken out, put in or moved',
  'end-differs': 'is not the record that --head names: the end was cut off or written anew',
}

function broken(fault: NonNullable<TrailVerdict['fault']>): CountersignError {
  const place = `line ${fault.line} of ${fault.file}`
  return new CountersignError('invalid', `${place} ${meanings[fault.kind]}`, {
    reason: `audit-${fault.kind}`,
    fix: 'keep the files as evidence, and compare them with the copy in the store (table audit_records)',
  })
}

function unreadable(file: string, cause: NodeJS.ErrnoException): CountersignError {
  const denied = cause.code === 'EACCES' || cause.code === 'EPERM'
  return new CountersignError(denied ? 'forbidden' : 'not-found', `cannot read ${file}`, {
    reason: 'audit-file-unreadable',
    fix: denied ? 'run it as the user who runs the server' : 'name the audit_file of the server',
    cause,
  })
}

/** Throws `invalid` / `usage`. */
function parseHead(text: string): ChainHead {
  const [, number, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (number !== undefined && hash !== undefined) return { number: Number(number), hash }
  throw new CountersignError('invalid', 'the head is <number>:<64 hex digits>', {
    reason: 'usage',
    fix: 'take the line "head" that this command prints',
  })
}
