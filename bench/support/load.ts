import { setTimeout as sleep } from 'node:timers/promises'
import { cpuSeconds } from './child.ts'
import { type Figure, median, rate, round, short } from './report.ts'

const seconds = short ? 0.5 : 1.5
const rounds = short ? 1 : 9

export interface Load {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** CPU time of the server for one call; what the rate would be held to on a core of its own. */
  readonly serverCpuUs: number
}

/** What a server answers that is well, and says to come again: status 503. */
export class NotNow extends Error {}

/** Again and again, a few times, where the answer is `NotNow`: a machine that stands still knows for a moment of nothing. */
export async function patiently<T>(call: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await call()
    } catch (error) {
      if (!(error instanceof NotNow) || tries === 50) throw error
      await sleep(100)
    }
  }
}

/** Each of `clients` calls one after the other for a while; `pid` is the server's. */
export async function closedLoop(
  clients: readonly (() => Promise<unknown>)[],
  options: { readonly pid: number; readonly perCall?: number },
): Promise<Load> {
  const { pid, perCall = 1 } = options
  const latencies: number[] = []
  const cpuBefore = cpuSeconds(pid)
  const startMs = performance.now()
  const endMs = startMs + seconds * 1000
  await Promise.all(
    clients.map(async (call) => {
      for (let now = performance.now(); now < endMs; ) {
        await call()
        const after = performance.now()
        latencies.push(after - now)
        now = after
      }
    }),
  )
  const elapsed = (performance.now() - startMs) / 1000
  const count = latencies.length * perCall
  latencies.sort((a, b) => a - b)
  return {
    perSecond: count / elapsed,
    p50Ms: round(latencies[latencies.length >> 1] ?? Number.NaN),
    p99Ms: round(latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN),
    serverCpuUs: Math.round(((cpuSeconds(pid) - cpuBefore) * 1e6) / count),
  }
}

/** Ours and the bare one in turn, after a warm-up of both, as a figure. */
export async function compare(
  loads: { readonly ours: () => Promise<Load>; readonly bare: () => Promise<Load> },
  leastRatio: number,
  aim: string,
  details: Readonly<Record<string, unknown>> = {},
): Promise<Figure> {
  // The first second is the compiler's.
  await loads.ours()
  await loads.bare()
  const pairs: { readonly ours: Load; readonly bare: Load }[] = []
  for (let at = 0; at < rounds; at++) {
    pairs.push(
      at % 2 === 0
        ? { ours: await loads.ours(), bare: await loads.bare() }
        : { bare: await loads.bare(), ours: await loads.ours() },
    )
  }
  const ours = middle(pairs.map((pair) => pair.ours))
  const bare = middle(pairs.map((pair) => pair.bare))
  return rate(
    pairs.map((pair) => ({ ours: pair.ours.perSecond, bare: pair.bare.perSecond })),
    leastRatio,
    aim,
    // What the rate would be were the server alone on its cores: little moved by what else runs.
    { cpuRatio: round(bare.serverCpuUs / ours.serverCpuUs), detail: { ours, bare }, ...details },
  )
}

function middle(loads: readonly Load[]): Load {
  return {
    perSecond: Math.round(median(loads.map((load) => load.perSecond))),
    p50Ms: median(loads.map((load) => load.p50Ms)),
    p99Ms: median(loads.map((load) => load.p99Ms)),
    serverCpuUs: median(loads.map((load) => load.serverCpuUs)),
  }
}
