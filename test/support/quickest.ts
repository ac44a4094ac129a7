/**
 * Milliseconds of the quickest of some runs: in any one of them the machine may have been busy with something else,
 * and what is slow is slow in all.
 */
export async function quickestMs(runs: number, job: () => unknown): Promise<number> {
  let quickest = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs; run += 1) {
    const startedMs = performance.now()
    await job()
    quickest = Math.min(quickest, performance.now() - startedMs)
  }
  return quickest
}
