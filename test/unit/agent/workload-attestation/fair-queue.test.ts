import { describe, expect, test } from 'vitest'
import { FairQueue } from '../../../../agent/workload-attestation/fair-queue.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'

/** A job, and when it has run. */
function run<T>(queue: FairQueue, uid: number, job: () => T): Promise<T> {
  return new Promise((resolve) => queue.soon(uid, () => resolve(job())))
}

describe('the queue', () => {
  test('runs a lone job at once', () => {
    const queue = new FairQueue(systemClock)
    let ran = false
    queue.soon(1, () => {
      ran = true
    })
    expect(ran).toBe(true)
    expect(queue.length).toBe(0)
  })

  test('takes the users in turn', async () => {
    const queue = new FairQueue(systemClock, { sliceJobs: 1 })
    const order: number[] = []
    const note = (uid: number): Promise<void> =>
      run(queue, uid, () => {
        order.push(uid)
      })
    const many = Array.from({ length: 20 }, () => note(1))
    const others = [note(2), note(3), note(2)]
    await Promise.all([...many, ...others])
    expect(order.slice(0, 6)).toEqual([1, 1, 2, 3, 1, 2])
    expect(order).toHaveLength(23)
  })

  test('lets turns that are put off go by, for a few milliseconds in all', async () => {
    let nowMs = 0
    const queue = new FairQueue({ ...systemClock, monotonicMs: () => nowMs })
    await run(queue, 1, () => {})
    await new Promise((resolve) => setImmediate(resolve))
    let turns = 0
    let ran = false
    queue.later(1, () => {
      ran = true
    })
    while (!ran) {
      turns += 1
      nowMs += 1
      queue.putOff()
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(turns).toBeGreaterThan(5)
    expect(turns).toBeLessThan(12)
  })

  test('counts a job that sets off others as so many', async () => {
    const queue = new FairQueue(systemClock, { sliceJobs: 8 })
    const slices = new Map<object | undefined, number>()
    await Promise.all(
      Array.from(
        { length: 8 },
        () =>
          new Promise<void>((resolve) => {
            queue.later(1, (slice) => {
              queue.weigh(4)
              slices.set(slice, (slices.get(slice) ?? 0) + 1)
              resolve()
            })
          }),
      ),
    )
    expect([...slices.values()]).toEqual([2, 2, 2, 2])
  })

  test('gives everything else a turn at least every 10 ms', async () => {
    // A clock of the jobs' own work: what other programs take of the machine is not the queue's doing.
    let workedMs = 0
    const queue = new FairQueue({ ...systemClock, monotonicMs: () => workedMs })
    let longest = 0
    let last = 0
    let watching = true
    const watch = (): void => {
      longest = Math.max(longest, workedMs - last)
      last = workedMs
      if (watching) setImmediate(watch)
    }
    watch()
    const jobs = Array.from({ length: 100 }, (_, at) =>
      run(queue, at % 3, () => {
        workedMs += 1
      }),
    )
    await Promise.all(jobs)
    watching = false
    expect(workedMs).toBe(100)
    expect(longest).toBeLessThan(10)
  })

  test('runs what can wait in slices that the jobs can tell apart', async () => {
    const queue = new FairQueue(systemClock, { sliceJobs: 4 })
    const slices: (object | undefined)[] = []
    await new Promise<void>((resolve) => {
      for (let at = 0; at < 8; at += 1) queue.later(at % 2, (slice) => slices.push(slice))
      queue.later(0, () => resolve())
    })
    expect(slices).toHaveLength(8)
    expect(slices).not.toContain(undefined)
    expect(new Set(slices.slice(0, 4)).size).toBe(1)
    expect(new Set(slices.slice(4)).size).toBe(1)
    expect(slices[4]).not.toBe(slices[3])
    expect(queue.length).toBe(0)
  })
})
