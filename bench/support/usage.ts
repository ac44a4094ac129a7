import { readdirSync } from 'node:fs'

/** What a process holds; after a collection where it runs with `--expose-gc`. */
export interface Usage {
  readonly heapMiB: number
  readonly rssMiB: number
  readonly descriptors: number
}

export function usage(): Usage {
  globalThis.gc?.()
  const { heapUsed, rss } = process.memoryUsage()
  return {
    heapMiB: Math.round((heapUsed / (1 << 20)) * 10) / 10,
    rssMiB: Math.round(rss / (1 << 20)),
    descriptors: readdirSync('/proc/self/fd').length,
  }
}
