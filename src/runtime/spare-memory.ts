import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Clock } from './clock.ts'

// V8 lets its heap grow while a batch comes in, and gives little of it back to a process that has
// become idle: of 250 MiB after 10,000 entries more than 100 are garbage and empty pages.

export interface Usage {
  /** Of all threads since the start, in ms. */
  readonly cpuMs: number
  readonly rssBytes: number
}

export interface SpareMemoryDeps {
  readonly clock: Clock
  readonly usage: () => Usage
  /** Collects garbage: a pause of some 50 ms for 10,000 entries. */
  readonly collect: () => void
  /** Gives the free pages of the C library's heap back to the system. */
  readonly trim: () => void
}

const lookMs = 5000
const looksBefore = 2
/** The part of one core that an idle process uses at most: heartbeats, a probe, a renewal now and then. */
const idleShare = 0.05
const growthBytes = 24 << 20
/** V8 keeps pages that it has emptied for some seconds. */
const pagesGoMs = 10_000

/**
 * Whenever the process has been idle for ten seconds and is larger than after the last time: collects
 * garbage once, and gives back what became free. Never while there is work, which the pause would hold up.
 */
export async function giveBackSpareMemory(
  deps: SpareMemoryDeps,
  signal: AbortSignal,
): Promise<void> {
  let leastBytes = 0
  for (let before = deps.usage(), idleLooks = 0; ; ) {
    await deps.clock.sleep(lookMs, signal)
    const now = deps.usage()
    idleLooks = now.cpuMs - before.cpuMs <= idleShare * lookMs ? idleLooks + 1 : 0
    before = now
    if (idleLooks < looksBefore || now.rssBytes < leastBytes + growthBytes) continue
    deps.collect()
    await deps.clock.sleep(pagesGoMs, signal)
    deps.trim()
    before = deps.usage()
    leastBytes = before.rssBytes
    idleLooks = 0
  }
}

export function processUsage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuMs: (user + system) / 1000, rssBytes: process.memoryUsage.rss() }
}

/** A full collection, by the function that V8 gives to contexts made while the flag is set. */
export function collectGarbage(): void {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  collect()
}
