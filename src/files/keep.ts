import { asCountersignError, type CountersignError } from '../errors.ts'
import { createBackoff } from '../runtime/backoff.ts'
import { type Clock, sleepUnlessWoken } from '../runtime/clock.ts'
import { Latest } from '../runtime/latest.ts'
import { runTogether } from '../runtime/tasks.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { JwtSource } from '../workload-api/jwt-source.ts'
import type { X509Source, X509SvidChoice } from '../workload-api/x509-source.ts'
import { type FileNames, fingerprint, layOut, type Material } from './file-set.ts'
import type { VersionedFolder } from './folder.ts'
import { HealthRecord, problemText } from './health.ts'
import type { Renewal } from './renewal.ts'

export interface Sources {
  readonly x509: X509Source
  /** Has to be there where files of tokens are wanted. */
  readonly jwt?: JwtSource | undefined
}

export interface KeepOptions extends Sources {
  readonly choice: X509SvidChoice
  readonly names: FileNames
  readonly folder: VersionedFolder
  /** Called after each set that takes the place of another, until it has done its work once. */
  readonly renewal?: Renewal | undefined
  readonly clock: Clock
  /** Told of each set that stands. Must not throw. */
  readonly onFiles: (written: Written) => void
  /** Told of what goes wrong and is tried again. Must not throw. */
  readonly onProblem: (error: CountersignError) => void
}

/** A set of files that stands. */
export interface Written {
  readonly spiffeId: SpiffeId
  readonly expiresAt: Date
}

const waits = { baseMs: 500, capMs: 30_000 }
/** Tokens are looked at this often at the most. */
const leastMs = 1000

/** Writes the files once. Throws what the sources and the folder do. */
export async function writeFiles(options: KeepOptions, signal: AbortSignal): Promise<Written> {
  const material = await collect(options, signal)
  const { written } = await write(options, new HealthRecord(options.folder), material)
  return written
}

/** Keeps the files as the sources have them, until the signal aborts. */
export async function keepFiles(options: KeepOptions, signal: AbortSignal): Promise<void> {
  const health = new HealthRecord(options.folder)
  const renewed = new Latest<void>()
  await runTogether(
    signal,
    (until) => follow(options, health, renewed, until),
    (until) => tell(options, health, renewed, until),
  )
}

async function follow(
  options: KeepOptions,
  health: HealthRecord,
  renewed: Latest<void>,
  signal: AbortSignal,
): Promise<void> {
  const { x509, clock, onFiles, onProblem } = options
  const backoff = createBackoff(waits)
  let last: string | undefined
  for (;;) {
    signal.throwIfAborted()
    const woken = new AbortController()
    const stop = x509.onUpdate(() => woken.abort())
    let waitMs: number
    try {
      const material = await collect(options, signal)
      const now = fingerprint(material)
      if (now !== last) {
        const { written, replaced } = await write(options, health, material)
        last = now
        onFiles(written)
        if (replaced) renewed.put()
      }
      waitMs = untilDue(material, clock.now())
      backoff.reset()
    } catch (error) {
      signal.throwIfAborted()
      const problem = asCountersignError(error)
      last = undefined
      // Where not even this can be written, `onProblem` has to do.
      await health.note({ problem: problemText(problem) }).catch(() => {})
      onProblem(problem)
      waitMs = backoff.next()
    }
    try {
      await sleepUnlessWoken(clock, waitMs, woken.signal, signal)
    } finally {
      stop()
    }
  }
}

/** Has the program told of new files, again and again until it has been. */
async function tell(
  { renewal, clock, onProblem }: KeepOptions,
  health: HealthRecord,
  renewed: Latest<void>,
  signal: AbortSignal,
): Promise<void> {
  signal.addEventListener('abort', () => renewed.end(signal.reason), { once: true })
  for await (const _ of renewed) {
    if (renewal === undefined) continue
    const backoff = createBackoff(waits)
    for (;;) {
      const problem = await attempt(renewal, signal)
      const at = clock.now().toISOString()
      const said = problem === undefined ? null : problemText(problem)
      await health.note({ onRenew: { at, problem: said } }).catch(() => {})
      if (problem === undefined) break
      onProblem(problem)
      await clock.sleep(backoff.next(), signal)
    }
  }
}

async function attempt(
  renewal: Renewal,
  signal: AbortSignal,
): Promise<CountersignError | undefined> {
  try {
    await renewal(signal)
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    return asCountersignError(error)
  }
}

async function write(
  { names, folder, clock }: KeepOptions,
  health: HealthRecord,
  material: Material,
): Promise<{ readonly written: Written; readonly replaced: boolean }> {
  const { spiffeId, expiresAt } = material.svid
  const { replaced } = await folder.replace(layOut(names, material))
  await health.note({
    spiffeId,
    writtenAt: clock.now().toISOString(),
    expiresAt: expiresAt.toISOString(),
    problem: null,
  })
  return { written: { spiffeId, expiresAt }, replaced }
}

async function collect(
  { x509, jwt, choice, names }: KeepOptions,
  signal: AbortSignal,
): Promise<Material> {
  const svid = x509.svid(choice)
  const trustDomain = SpiffeId.trustDomainOf(svid.spiffeId)
  const bundle = x509.bundleOf(trustDomain)
  // A message of the Workload API without it is refused whole (§5.2.1).
  if (bundle === undefined) throw new TypeError('an SVID without its bundle')
  const { spiffeId } = svid
  const tokens =
    jwt === undefined
      ? []
      : await Promise.all(
          names.jwts.map(({ audience }) => jwt.fetchJwtSvid(audience, { spiffeId, signal })),
        )
  return { svid, bundle, tokens }
}

/** Until a token has lived half of what it has left; without one an update of the source is waited for. */
function untilDue({ tokens }: Material, now: Date): number {
  const left = tokens.map(({ expiresAt }) => (expiresAt.getTime() - now.getTime()) / 2)
  return Math.max(leastMs, Math.min(...left))
}
