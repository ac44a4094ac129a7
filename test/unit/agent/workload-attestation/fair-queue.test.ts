import { describe, expect, test } from 'vitest'
import { FairQueue } from '../../../../agent/workload-attestation/fair-queue.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'

const signal = new AbortController().signal

function busy(ms: number): void {
  const end = performance.now() + ms
  while (performance.now() < end);
}

describe('the queue', () => {
  test('runs a lone job at once', () => {
    const queue = new FairQueue(systemClock)
    let ran = false
    void queue.run(1, signal, () => {
      ran = true
    })
    expect(ran).toBe(true)
    expect(queue.length).toBe(0)
  })

  test('takes the users in turn', async () => {
    const queue = new FairQueue(systemClock, { sliceJobs: 1 })
    const order: number[] = []
    const run = (uid: number): Promise<void> =>
      queue.run(uid, signal, () => {
        order.push(uid)
      })
    const many = Array.from({ length: 20 }, () => run(1))
    const others = [run(2), run(3), run(2)]
    await Promise.all([...many, ...others])
    expect(order.slice(0, 6)).toEqual([1, 1, 2, 3, 1, 2])
    expect(order).toHaveLength(23)
  })

  test('gives everything else a turn at least every 10 ms', async () => {
    const queue = new FairQueue(systemClock)
    let longest = 0
    let last = performance.now()
    let watching = true
    const watch = (): void => {
      const now = performance.now()
      longest = Math.max(longest, now - last)
      last = now
      if (watching) setImmediate(watch)
    }
    watch()
    await Promise.all(Array.from({ length: 100 }, () => queue.run(1, signal, () => busy(1))))
    watching = false
    // 10 ms, and what a machine with other work adds.
    expect(longest).toBeLessThan(30)
  })

  test('does not run what nobody waits for any more', async () => {
    const queue = new FairQueue(systemClock, { sliceJobs: 1 })
    const leaving = new AbortController()
    const first = queue.run(1, signal, () => 'first')
    const second = queue.run(1, leaving.signal, () => {
      throw new Error('must not run')
    })
    leaving.abort()
    expect(await first).toBe('first')
    await expect(second).rejects.toMatchObject({ name: 'AbortError' })
    expect(queue.length).toBe(0)
  })

  test('hands on what a job throws and goes on', async () => {
    const queue = new FairQueue(systemClock, { sliceJobs: 1 })
    const failing = queue.run(1, signal, () => {
      throw new Error('no')
    })
    const next = queue.run(1, signal, () => 'yes')
    await expect(failing).rejects.toThrow('no')
    expect(await next).toBe('yes')
  })
})
