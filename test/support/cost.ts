/** How long this process has the processor for a job, ms: how long it waits for it is not in that. */
async function cpuMsOf(job: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await job()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

/**
 * The same of the cheapest of some runs: in any one of them garbage may have been collected or code compiled, and
 * what is slow is slow in all.
 */
export async function leastCpuMs(runs: number, job: () => unknown): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let run = 0; run < runs; run += 1) least = Math.min(least, await cpuMsOf(job))
  return least
}

/**
 * What a job costs at a size, over what as many jobs as `parts` of an equal part of that size cost: near 1 where it is
 * linear, near `parts` where it is quadratic. Both in turn, so that a slow machine is slow for both. What takes less
 * than a millisecond counts as one.
 */
export async function growth(
  parts: number,
  size: number,
  job: (size: number) => unknown,
): Promise<number> {
  let [whole, divided] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY]
  for (let run = 0; run < 5; run += 1) {
    const inParts = async (): Promise<void> => {
      for (let part = 0; part < parts; part += 1) await job(size / parts)
    }
    divided = Math.min(divided, await cpuMsOf(inParts))
    whole = Math.min(whole, await cpuMsOf(() => job(size)))
  }
  return whole / Math.max(divided, 1)
}
