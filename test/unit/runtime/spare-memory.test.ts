import { expect, test } from 'vitest'
import { collectGarbage, giveBackSpareMemory } from '../../../src/runtime/spare-memory.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

const mib = 1 << 20

/** A process that uses `cpuMs` in each second and has this size; what was done to it, in order. */
function pretend() {
  const clock = new FakeClock()
  const stop = new AbortController()
  const does = { cpuMs: 0, rssBytes: 200 * mib }
  const done: string[] = []
  let usedMs = 0
  const running = giveBackSpareMemory(
    {
      clock,
      usage: () => ({ cpuMs: usedMs, rssBytes: does.rssBytes }),
      collect: () => done.push('collect'),
      trim: () => {
        done.push('trim')
        does.rssBytes = 100 * mib
      },
    },
    stop.signal,
  )
  return {
    does,
    done,
    async pass(seconds: number) {
      for (let second = 0; second < seconds; second++) {
        usedMs += does.cpuMs
        await clock.advance(1000)
      }
    },
    async end() {
      stop.abort()
      await running.catch(() => {})
    },
  }
}

test('an idle process gives back what it does not need, once', async () => {
  const process = pretend()
  await process.pass(9)
  expect(process.done).toEqual([])
  await process.pass(2)
  expect(process.done).toEqual(['collect'])
  await process.pass(10)
  expect(process.done).toEqual(['collect', 'trim'])
  await process.pass(600)
  expect(process.done).toEqual(['collect', 'trim'])
  await process.end()
})

test('a process that works is left alone, and one that has grown gives back once it rests', async () => {
  const process = pretend()
  process.does.cpuMs = 60
  await process.pass(120)
  expect(process.done).toEqual([])
  process.does.cpuMs = 1
  await process.pass(30)
  expect(process.done).toEqual(['collect', 'trim'])
  process.does.rssBytes = 120 * mib
  await process.pass(120)
  expect(process.done).toHaveLength(2)
  process.does.rssBytes = 130 * mib
  await process.pass(30)
  expect(process.done).toHaveLength(4)
  await process.end()
})

test('the collection is a real one, and leaves no word behind', async () => {
  const finalised = Promise.withResolvers<void>()
  const registry = new FinalizationRegistry(() => finalised.resolve())
  registry.register({}, undefined)
  await new Promise((resolve) => setImmediate(resolve))
  collectGarbage()
  await finalised.promise
  expect('gc' in globalThis).toBe(false)
})
