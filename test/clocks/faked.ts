import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { renameSync, writeFileSync } from 'node:fs'
import { eventually } from '../../src/testing/eventually.ts'
import { start } from '../support/command.ts'

const hourSeconds = 3600
const daySeconds = 24 * hourSeconds

/** The jumps of T20, in seconds. */
export const jumps: readonly number[] = [
  ...[-hourSeconds, hourSeconds, -daySeconds, daySeconds],
  30 * daySeconds,
]

/** The life of the SVIDs that are counted. */
export const ttlSeconds: number = Number(process.env['CLOCKS_TTL'] ?? '20')
/** So long renewals are counted at the least: half a life with what chance adds to it, and a little more. */
export const watchedMs: number = 700 * ttlSeconds

/** Looks on while what has to come has not, for a minute at the most: a machine that has much to do is late. */
export async function whileLate(isLate: () => boolean): Promise<void> {
  await eventually(() => !isLate(), 60_000).catch(() => {})
}

/** Says aloud that the library is not here; in CI that is a failure. */
export function lacksFaketime(): boolean {
  if (spawnSync('sh', ['-c', 'command -v faketime']).status === 0) return false
  if (process.env['CI'] !== undefined) throw new Error('missing: faketime')
  process.stderr.write('left out, since this machine has no faketime\n')
  return true
}

/** A process with a wall clock of its own; its monotonic clock is the machine's. */
export interface Faked {
  readonly child: ChildProcess
  /** All that it wrote, on either stream. */
  said(): string
  /** Sets its wall clock, in seconds from the right one. */
  jump(seconds: number): void
  stop(): Promise<void>
}

/** The command, or another program by Node. `clock` is a file that it reads its time by, whenever it asks. */
export function startFaked(
  args: readonly string[],
  { clock, env = {}, program, ahead = 0 }: FakedOptions,
): Faked {
  const jump = (seconds: number): void => {
    writeFileSync(`${clock}.new`, `${seconds < 0 ? '' : '+'}${seconds}s\n`)
    renameSync(`${clock}.new`, clock)
  }
  jump(ahead)
  const child = start(args, {
    ...(program !== undefined && { program }),
    env: {
      ...env,
      // ld.so knows where this machine has its libraries.
      LD_PRELOAD: '/usr/$LIB/faketime/libfaketimeMT.so.1',
      FAKETIME_TIMESTAMP_FILE: clock,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
      NO_FAKE_STAT: '1',
    },
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk) => {
      text += String(chunk)
    })
  }
  return {
    child,
    said: () => text,
    jump,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

export interface FakedOptions {
  readonly clock: string
  readonly env?: Readonly<Record<string, string>>
  readonly program?: string
  readonly ahead?: number
}

export function isRunning({ child }: Faked): boolean {
  return child.exitCode === null && child.signalCode === null
}

/** Of so many SVIDs of an entry, the most that were signed within half a life, less the tenth that chance takes from it. */
export function mostInHalfLife(times: readonly Date[]): number {
  const halfMs = 450 * ttlSeconds
  return Math.max(
    0,
    ...times.map(
      (from) => times.filter((at) => at >= from && at.getTime() < from.getTime() + halfMs).length,
    ),
  )
}
