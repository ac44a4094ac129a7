import { expect, test } from 'vitest'
import { createBackoff } from '../../../src/runtime/backoff.ts'
import { Latest } from '../../../src/runtime/latest.ts'
import { aborted, runTogether } from '../../../src/runtime/tasks.ts'

test('the first task that fails aborts the others, which are awaited before the error is thrown', async () => {
  const ended: string[] = []
  const failure = new Error('first')
  await expect(
    runTogether(
      new AbortController().signal,
      async () => {
        throw failure
      },
      async (signal) => {
        await aborted(signal)
        ended.push('second')
      },
    ),
  ).rejects.toBe(failure)
  expect(ended).toEqual(['second'])
})

test('the end of the outer signal is no failure', async () => {
  const outer = new AbortController()
  const running = runTogether(outer.signal, async (signal) => {
    await aborted(signal)
    throw signal.reason
  })
  outer.abort(new DOMException('stop', 'AbortError'))
  await running
})

test('a slow reader gets the newest value only, and what was put before the end', async () => {
  const mailbox = new Latest<number>()
  mailbox.put(1)
  mailbox.put(2)
  const read: number[] = []
  for await (const value of mailbox) {
    read.push(value)
    if (value === 2) {
      mailbox.put(3)
      mailbox.put(4)
      mailbox.end()
      mailbox.put(5)
    }
  }
  expect(read).toEqual([2, 4])
})

test('a mailbox that ends with an error throws it after what is there', async () => {
  const mailbox = new Latest<number>()
  mailbox.put(1)
  mailbox.end(new Error('over'))
  const read: number[] = []
  await expect(
    (async () => {
      for await (const value of mailbox) read.push(value)
    })(),
  ).rejects.toThrow('over')
  expect(read).toEqual([1])
})

test('waits double up to the cap, drawn from the upper half, and begin again after a reset', () => {
  const backoff = createBackoff({ baseMs: 100, capMs: 350, random: () => 1 })
  expect([backoff.next(), backoff.next(), backoff.next(), backoff.next()]).toEqual([
    100, 200, 350, 350,
  ])
  backoff.reset()
  expect(backoff.next()).toBe(100)
  expect(createBackoff({ baseMs: 100, capMs: 350, random: () => 0 }).next()).toBe(50)
})
