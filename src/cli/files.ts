import { Command } from 'commander'
import { asCountersignError, CountersignError } from '../errors.ts'
import type { FileNames } from '../files/file-set.ts'
import type { KeepOptions, Sources } from '../files/keep.ts'
import type { Renewal } from '../files/renewal.ts'
import { systemClock } from '../runtime/clock.ts'
import { within } from '../runtime/within.ts'
import { outputOption } from './admin.ts'
import {
  choiceOf,
  fileNames,
  type IdentityOptions,
  parseMode,
  parseSignal,
  readPassword,
  withIdentityOptions,
} from './files-flags.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printRecord } from './output.ts'
import { problemNotes } from './problem-notes.ts'
import { usage } from './usage.ts'
import { endpointOf } from './workload.ts'

interface Options extends IdentityOptions {
  readonly dir: string
  readonly key: string
  readonly cert: string
  readonly bundle: string
  readonly combined: string
  readonly pkcs12?: string
  readonly pkcs12PasswordFile?: string
  readonly mode?: number
  readonly owner?: string
  readonly onRenew?: string
  readonly signal?: NodeJS.Signals
  readonly pidFile?: string
  readonly once?: boolean
  readonly status?: boolean
  readonly output: OutputFormat
}

type FilesOptions = Omit<KeepOptions, keyof Sources>

const onceLimitMs = 30_000

/** `countersign files` */
export function files(io: Io): Command {
  return withIdentityOptions(
    new Command('files')
      .description(
        'keep the SVID of this process in files, for programs that know nothing of SPIFFE',
      )
      .requiredOption('--dir <folder>', 'where to; made where it is not there')
      .option('--key <name>', 'private key, PKCS#8 in PEM', fileNames.key)
      .option('--cert <name>', 'certificate and its chain, PEM', fileNames.cert)
      .option('--bundle <name>', 'authorities of the own trust domain, PEM', fileNames.bundle)
      .option('--combined <name>', 'certificate, chain and key in one', fileNames.combined)
      .option('--pkcs12 <name>', 'key and chain as PKCS#12')
      .option('--pkcs12-password-file <path>', 'its password is the first line of this file')
      .option('--mode <octal>', 'of each file (default: 600)', parseMode)
      .option('--owner <user[:group]>', 'whom the files are given to')
      .option(
        '--on-renew <command>',
        'run by the shell when new files have taken the place of others',
      )
      .option('--signal <name>', 'the same for a signal to the process of --pid-file', parseSignal)
      .option('--pid-file <path>', 'holds the number of the process')
      .option('--once', 'write them, and end')
      .option('--status', 'say how it is with the files; exit code 69 where not well')
      .addOption(outputOption()),
  )
    .addHelpText(
      'after',
      `
All files change at once: whoever opens them below <folder>/current, followed once, has a key and a
certificate that belong together.

Example:
  countersign files --dir /run/web/svid --owner www-data --on-renew 'nginx -s reload'`,
    )
    .action((options: Options) =>
      options.status === true ? status(io, options) : keep(io, options),
    )
}

async function status(io: Io, { dir, output }: Options): Promise<void> {
  const { problemsOf, readHealth } = await import('../files/health.ts')
  const health = await readHealth(dir)
  const problems = problemsOf(health, systemClock.now())
  printRecord(io, output, { ...health, problems }, [
    ['spiffe id', health.spiffeId],
    ['written', health.writtenAt],
    ['expires', health.expiresAt],
    [
      'on renew',
      health.onRenew === null ? '-' : (health.onRenew.problem ?? `done ${health.onRenew.at}`),
    ],
    ['problems', problems.join('; ') || 'none'],
  ])
  if (problems.length === 0) return
  throw new CountersignError('unavailable', problems.join('; '), {
    reason: 'files-unwell',
    fix: 'look at what "countersign files" says on its standard error',
  })
}

async function keep(io: Io, options: Options): Promise<void> {
  const [{ checkNames }, { VersionedFolder }, { parseOwner }] = await Promise.all([
    import('../files/file-set.ts'),
    import('../files/folder.ts'),
    import('../files/owner.ts'),
  ])
  const names = checkNames(namesOf(options))
  const renewal = await renewalOf(options)
  const owner = options.owner === undefined ? undefined : parseOwner(options.owner)
  const endpoint = endpointOf(io, options)
  const folder = await VersionedFolder.open(options.dir, { fileMode: options.mode ?? 0o600, owner })
  const keepOptions = {
    names,
    choice: choiceOf(options),
    folder,
    renewal,
    clock: systemClock,
    onFiles: await announcer(io, options),
    onProblem: problemNotes(io),
  }
  try {
    if (options.once === true) await writeOnce(io, endpoint, keepOptions)
    else await keepUntilStopped(io, endpoint, keepOptions)
  } finally {
    await folder.close()
  }
}

async function keepUntilStopped(io: Io, endpoint: string, options: FilesOptions): Promise<void> {
  const { keepFiles } = await import('../files/keep.ts')
  const { openSources } = await import('../files/sources.ts')
  const sources = await openSources({ endpoint, ...options, signal: io.signal })
  try {
    await keepFiles({ ...options, ...sources }, io.signal)
  } finally {
    await sources.close()
  }
}

async function writeOnce(io: Io, endpoint: string, options: FilesOptions): Promise<void> {
  const { writeFiles } = await import('../files/keep.ts')
  const { openSources } = await import('../files/sources.ts')
  let last: CountersignError | undefined
  const late = new AbortController()
  const signal = AbortSignal.any([io.signal, late.signal])
  const work = async (): Promise<void> => {
    const onProblem = (error: CountersignError): void => {
      last = error
    }
    const sources = await openSources({ endpoint, ...options, onProblem, signal })
    try {
      options.onFiles(await writeFiles({ ...options, ...sources }, signal))
    } finally {
      await sources.close()
    }
  }
  try {
    await within(systemClock, onceLimitMs, work(), () => last ?? tooLate())
  } finally {
    late.abort()
  }
}

/** Says that there are new files, and the first time tells the service manager too. */
async function announcer(io: Io, { dir }: Options): Promise<KeepOptions['onFiles']> {
  const { notifyServiceManager } = await import('../rpc/service-notify.ts')
  let ready = false
  return ({ spiffeId, expiresAt }) => {
    io.note(`${dir}: ${spiffeId}, until ${expiresAt.toISOString()}`)
    if (ready) return
    ready = true
    try {
      notifyServiceManager('READY=1', io.env)
    } catch (error) {
      io.note(asCountersignError(error).message)
    }
  }
}

function namesOf(options: Options): FileNames {
  const { key, cert, bundle, combined, pkcs12, pkcs12PasswordFile, jwt = [] } = options
  const names = { key, cert, bundle, combined, jwts: jwt }
  if (pkcs12 === undefined) return names
  if (pkcs12PasswordFile === undefined) {
    throw usage('--pkcs12 needs a password', 'add --pkcs12-password-file')
  }
  return { ...names, pkcs12: { name: pkcs12, password: readPassword(pkcs12PasswordFile) } }
}

async function renewalOf({ onRenew, signal, pidFile, dir }: Options): Promise<Renewal | undefined> {
  const { renewByCommand, renewBySignal } = await import('../files/renewal.ts')
  if ((signal === undefined) !== (pidFile === undefined)) {
    throw usage('a signal needs a process', 'give --signal and --pid-file together')
  }
  if (onRenew !== undefined && signal !== undefined) {
    throw usage('--on-renew and --signal are two ways to say one thing', 'give one of them')
  }
  if (onRenew !== undefined) return renewByCommand(onRenew, dir, systemClock)
  if (signal !== undefined && pidFile !== undefined) return renewBySignal(signal, pidFile)
  return undefined
}

function tooLate(): CountersignError {
  return new CountersignError('deadline', `no SVID within ${onceLimitMs / 1000} s`, {
    reason: 'files-no-svid',
    fix: 'see that the agent runs, and that an entry names this process',
  })
}
