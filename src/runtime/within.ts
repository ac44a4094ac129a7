import type { Clock } from './clock.ts'

/** What the work comes to. Throws what `late` makes where that takes longer than `ms`; the work goes on unheard. */
export async function within<T>(
  clock: Clock,
  ms: number,
  work: Promise<T>,
  late: () => Error,
): Promise<T> {
  const done = new AbortController()
  const tooLate = clock.sleep(ms, done.signal).then(() => {
    throw late()
  })
  try {
    return await Promise.race([work, tooLate])
  } finally {
    tooLate.catch(() => {})
    done.abort()
  }
}
