import { readFile } from 'node:fs/promises'
import { Command } from 'commander'
import type { ChainHead } from '../audit/chain.ts'
import type { HeadReport } from '../audit/head-check.ts'
import type { SignedHead } from '../audit/signed-head.ts'
import type { TrailVerdict } from '../audit/verify-files.ts'
import type { CountersignError } from '../errors.ts'
import { counted } from '../runtime/counted.ts'
import { outputOption } from './admin.ts'
import {
  brokenTrail,
  noHeadOfTrail,
  otherTrails,
  unreadableTrail,
  unsignedTrail,
} from './audit-faults.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printRecord } from './output.ts'
import { usage } from './usage.ts'

const takeIt = 'take it from what this command prints'

interface Options {
  readonly head?: ChainHead
  readonly anchor?: string
  readonly key?: readonly string[]
  readonly chain?: string
  readonly otherChain?: readonly string[]
  readonly from?: number
  readonly output: OutputFormat
}

/** `countersign audit verify` */
export function auditVerify(io: Io): Command {
  return new Command('verify')
    .description('whether an audit trail is as it was written; exit code 1 where not')
    .argument(
      '<file...>',
      'the audit_file of a server, behind those of its files that are elsewhere; the numbered ones beside it are read too',
    )
    .option('--anchor <file|url>', 'what a sink outside of the machine has kept of the trail')
    .option('--key <sha256>', 'a key that signs heads, as known from elsewhere; repeat', addKey)
    .option('--chain <id>', 'the name of the trail, where <file>.id is gone', parseChain)
    .option('--other-chain <id>', 'a trail that --anchor may have beside it; repeat', addChain)
    .option('--head <number:hash>', 'the last record, as known from elsewhere', parseHead)
    .option(
      '--from <number>',
      'the record to begin with, where older ones are elsewhere',
      parseFrom,
    )
    .addOption(outputOption())
    .addHelpText(
      'after',
      `
The server signs each minute, and when it stops, where its trail stands. Without --anchor or --head an
end that was cut off is not found: the chain that is left is whole in itself. Without --key the first key
is believed; the output names it. With --key a trail that holds no head by it is refused.

A trail that was taken away and begun anew leaves heads of another one in the anchor. Those of another server,
and of a trail that you have ended yourself, --other-chain names; with --key, heads by other keys are left out.

Examples:
  countersign audit verify /var/lib/countersign/server/audit.log --anchor /var/log/remote/countersign.log
  countersign audit verify archive/audit.log.0* audit.log    # with files that were moved away`,
    )
    .action(async (files: readonly string[], options: Options) => {
      const verdict = await io.progress('verifying', verify(io, files, options))
      const wrong = verdict.fault === undefined ? doubtIn(verdict, options) : brokenTrail(verdict)
      report(io, options.output, verdict, wrong)
      if (wrong !== undefined) throw wrong
    })
}

/** What is wrong with a trail that is whole in itself. */
function doubtIn(
  { heads }: TrailVerdict,
  { anchor, key }: Pick<Options, 'anchor' | 'key'>,
): CountersignError | undefined {
  if (heads === undefined) return undefined
  if (anchor !== undefined && heads.anchored === 0) return noHeadOfTrail(heads)
  if (heads.otherTrails.length > 0) return otherTrails(heads)
  return key !== undefined && heads.last === undefined ? unsignedTrail() : undefined
}

async function verify(io: Io, files: readonly string[], options: Options): Promise<TrailVerdict> {
  const [file = '', ...older] = files.toReversed()
  const { HeadCheck } = await import('../audit/head-check.ts')
  const { readAnchor } = await import('../audit/anchor.ts')
  const { verifyFiles } = await import('../audit/verify-files.ts')
  const anchor =
    options.anchor === undefined ? undefined : await readAnchor(options.anchor, io.signal)
  if ((anchor?.forged ?? 0) > 0) {
    io.note(`${anchor?.forged} heads of the anchor were left out: their signatures are wrong`)
  }
  const heads = new HeadCheck({
    anchor: anchor?.heads ?? [],
    chains: await chainsOf(file, options),
    otherChains: options.otherChain ?? [],
    keys: options.key ?? [],
  })
  const { signal } = io
  const known = { older: older.toReversed(), first: options.from, expected: options.head }
  return verifyFiles(file, { heads, ...known, signal }).catch((error: NodeJS.ErrnoException) => {
    signal.throwIfAborted()
    throw unreadableTrail(error.path ?? file, error)
  })
}

/** How the trail calls itself. Who has changed it may have changed that; then no head of the anchor fits. */
async function chainsOf(file: string, { chain }: Options): Promise<readonly string[]> {
  if (chain !== undefined) return [chain]
  const text = await readFile(`${file}.id`, 'utf8').catch(() => '')
  return text === '' ? [] : [text.trim()]
}

function report(
  io: Io,
  output: OutputFormat,
  verdict: TrailVerdict,
  wrong: CountersignError | undefined,
): void {
  const { verified, from, head, fault, heads } = verdict
  const word = fault?.kind ?? wrong?.reason ?? 'whole'
  const json = { ...verdict, fault: fault ?? null, heads: heads ?? null, verdict: word }
  printRecord(io, output, json, [
    ['records', String(verified)],
    [
      'from',
      from.number === 0 ? 'the beginning' : `record ${from.number + 1}, after ${named(from)}`,
    ],
    ['head', named(head)],
    ...(heads === undefined ? [] : headLines(heads, head)),
    ['verdict', word],
  ])
  if (verdict.unfinished > 0) {
    io.note(`${verdict.unfinished} bytes of a line that is not finished stand at the end`)
  }
  const { unknownKeys = [] } = heads ?? {}
  if (unknownKeys.length > 0) {
    io.note(`heads by keys that no head before has announced: ${unknownKeys.join(' ')}`)
  }
}

/** As `--head` takes it. */
function named({ number, hash }: ChainHead): string {
  return `${number}:${hash}`
}

function headLines(
  { inTrail, anchored, last }: HeadReport,
  end: ChainHead,
): readonly (readonly [string, string])[] {
  if (last === undefined) return [['signed', 'nothing']]
  return [
    ['heads', `${inTrail} in the trail, ${anchored} in the anchor`],
    ['signed', `up to record ${last.head.number}, ${describeHead(last)}`],
    ['unsigned', `${counted(end.number - last.head.number, 'record')} since`],
  ]
}

function describeHead({ time, server, key }: SignedHead): string {
  return `${time.toISOString()} by ${server}, key ${key}`
}

function addKey(text: string, before: readonly string[] = []): readonly string[] {
  if (/^[0-9a-f]{64}$/.test(text)) return [...before, text]
  throw usage('a key is named by the SHA-256 of its public half, 64 hex digits', takeIt)
}

function parseChain(text: string): string {
  if (/^[0-9a-f]{32}$/.test(text)) return text
  throw usage('the name of a trail is 32 hex digits', takeIt)
}

function addChain(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, parseChain(text)]
}

function parseFrom(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw usage('the record is named by its number', takeIt)
}

/** Throws `invalid` / `usage`. */
function parseHead(text: string): ChainHead {
  const [, number, hash] = /^(\d{1,15}):([0-9a-f]{64})$/.exec(text) ?? []
  if (number !== undefined && hash !== undefined) return { number: Number(number), hash }
  throw usage('the head is <number>:<64 hex digits>', takeIt)
}
