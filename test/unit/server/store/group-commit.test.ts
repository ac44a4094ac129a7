import { expect, test } from 'vitest'
import { putSetting } from '../../../../server/store/settings.ts'
import { rejection, tempStore } from './fixture.ts'

test('a write inside of a write is refused instead of waiting for itself', async () => {
  const store = await tempStore()
  const error = await rejection(store.write(() => store.write(async () => 1)))
  expect(error).toMatchObject({ reason: 'store-nested-write' })
  expect(await store.write(async () => 2)).toBe(2)
})

test('the queue is bounded', async () => {
  const store = await tempStore()
  const goOn = Promise.withResolvers<void>()
  const started = Promise.withResolvers<void>()
  const blocking = store.write(async () => {
    started.resolve()
    await goOn.promise
  })
  await started.promise
  const waiting = Array.from({ length: 10_000 }, () => store.write(async () => 1))
  expect(await rejection(store.write(async () => 1))).toMatchObject({
    code: 'exhausted',
    reason: 'store-queue-full',
  })
  goOn.resolve()
  await blocking
  expect(await Promise.all(waiting)).toHaveLength(10_000)
})

test('a flood of writes lets timers and sockets have their turn', async () => {
  const store = await tempStore()
  let turns = 0
  let flooding = true
  const turn = (): void => {
    turns += 1
    if (flooding) setImmediate(turn)
  }
  setImmediate(turn)
  const write = async (name: string): Promise<void> => {
    for (let i = 0; i < 50; i += 1) await store.write((tx) => putSetting(tx, name, `${i}`))
  }
  await Promise.all(['a', 'b', 'c', 'd'].map(write))
  flooding = false
  expect(turns).toBeGreaterThanOrEqual(50)
})
