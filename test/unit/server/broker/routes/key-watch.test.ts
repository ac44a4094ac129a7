import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { watchKeys } from '../../../../../server/broker/routes/key-watch.ts'
import type { Route } from '../../../../../server/broker/routes/routes.ts'
import type { AuditEvent } from '../../../../../src/audit/event.ts'
import { CountersignError, type ErrorCode } from '../../../../../src/errors.ts'
import { silentLog } from '../../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'

/** A watch over one file, in the hands of a test; what is taken fails as `fault` says. */
function start(source: 'file' | 'env' = 'file') {
  const folder = mkdtempSync(join(tmpdir(), 'cs-key-watch-'))
  const path = join(folder, 'acme.key')
  const [clock, stopping] = [new FakeClock(), new AbortController()]
  const events: AuditEvent[] = []
  const world = { taken: 0, fault: undefined as [ErrorCode, string] | undefined }
  const secret = source === 'env' ? { from: 'env', name: 'ACME' } : { from: 'file', path }
  const integration = { id: 'acme', audience: 'https://b.test/acme', owner: 'sales', secret }
  const routes = new Map([['acme', { integration } as Route]])
  const running = watchKeys(
    {
      table: {
        current: () => routes,
        async takeKey() {
          world.taken += 1
          if (world.fault !== undefined) {
            throw new CountersignError(world.fault[0], 'no', { reason: world.fault[1] })
          }
        },
      },
      append: async (more) => void events.push(...more),
      clock,
      log: silentLog,
    },
    stopping.signal,
  )
  onTestFinished(async () => {
    stopping.abort()
    await running.catch(() => {})
    rmSync(folder, { recursive: true })
  })
  /** Some looks; each waits for the disk, which no clock moves. */
  const look = async (times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) {
      await clock.advance(500)
      while (clock.sleeping === 0) await new Promise(setImmediate)
    }
  }
  return { world, events, look, write: (text: string) => writeFileSync(path, text) }
}

test('a file that has changed is read once it is the same for two looks, and then no more', async () => {
  const { world, look, write } = start()
  write('first')
  await look(3)
  const before = world.taken
  for (const part of ['s', 'se', 'sec', 'seco']) {
    write(part)
    await look(1)
  }
  expect(world.taken).toBe(before)
  await look(1)
  expect(world.taken).toBe(before + 1)
  await look(3)
  expect(world.taken).toBe(before + 1)
})

test('what cannot be used is on record once for each change of the file', async () => {
  const { world, events, look, write } = start()
  world.fault = ['invalid', 'secret-short']
  write('first')
  await look(4)
  expect([world.taken, events.length]).toEqual([1, 1])
  write('second')
  await look(4)
  expect([world.taken, events.length]).toEqual([2, 2])
  expect(events[1]).toMatchObject({ kind: 'broker.key.refused', reason: 'secret-short' })
})

test('what may pass by itself is tried at each look, and is on record once', async () => {
  const { world, events, look, write } = start()
  world.fault = ['unavailable', 'audit-unwritable']
  write('first')
  await look(4)
  expect([world.taken, events.length]).toEqual([3, 1])
  world.fault = undefined
  await look(3)
  expect([world.taken, events.length]).toEqual([4, 1])
})

test('a file that is gone is told once it is gone for two looks', async () => {
  const { world, events, look } = start()
  world.fault = ['invalid', 'secret-unreadable']
  await look(4)
  expect([world.taken, events.length]).toEqual([1, 1])
})

test('a variable is not looked at: it does not change while a process lives', async () => {
  const { world, look, write } = start('env')
  write('first')
  await look(4)
  expect(world.taken).toBe(0)
})
