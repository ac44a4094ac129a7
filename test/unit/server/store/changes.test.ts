import { describe, expect, test } from 'vitest'
import { lastChange, pruneChanges, readChanges } from '../../../../server/store/changes.ts'
import { rejection, tempStore } from './fixture.ts'

describe('the change log', () => {
  test('numbers have no gaps, whoever writes at once and whatever fails', async () => {
    const store = await tempStore()
    const results = await Promise.allSettled(
      Array.from({ length: 300 }, (_, i) =>
        store.write(async (tx) => {
          const refs = Array.from({ length: (i % 3) + 1 }, (_, k) => `${i}-${k}`)
          const last = await tx.change('entry', refs)
          if (i % 5 === 0) throw new Error('undone')
          return { last, refs }
        }),
      ),
    )
    const changes = await readChanges(store.db, 0, 10_000)
    expect(changes.map((change) => change.number)).toEqual(changes.map((_, i) => i + 1))
    expect(await lastChange(store.db)).toBe(changes.length)
    const kept = results.filter((result) => result.status === 'fulfilled')
    expect(kept).toHaveLength(240)
    expect(changes.map((change) => change.ref)).toEqual(kept.flatMap(({ value }) => value.refs))
    for (const { value } of kept) expect(changes[value.last - 1]?.ref).toBe(value.refs.at(-1))
  })

  test('is read from any number on, in order, in parts', async () => {
    const store = await tempStore()
    await store.write((tx) => tx.change('entry', ['a', 'b']))
    await store.write((tx) => tx.change('agent', ['c']))
    expect(await readChanges(store.db, 1, 1)).toEqual([{ number: 2, kind: 'entry', ref: 'b' }])
    expect(await readChanges(store.db, 2, 10)).toEqual([{ number: 3, kind: 'agent', ref: 'c' }])
    expect(await readChanges(store.db, 3, 10)).toEqual([])
  })

  test('numbers nothing for nothing', async () => {
    const store = await tempStore()
    expect(await store.write((tx) => tx.change('entry', []))).toBe(0)
    expect(await lastChange(store.db)).toBe(0)
  })

  test('is pruned from its beginning, in parts, and goes on counting', async () => {
    const store = await tempStore()
    await store.write((tx) => tx.change('entry', ['a', 'b', 'c', 'd', 'e']))
    const prune = (upTo: number) => store.write((tx) => pruneChanges(tx.db, upTo, 2))
    expect([await prune(3), await prune(3), await prune(3)]).toEqual([2, 1, 0])
    expect((await readChanges(store.db, 0, 10)).map((change) => change.ref)).toEqual(['d', 'e'])
    expect(await prune(5)).toBe(2)
    expect(await store.write((tx) => tx.change('entry', ['f']))).toBe(6)
  })

  test('gives back the numbers of a transaction that was not committed', async () => {
    let working = false
    const store = await tempStore({
      beforeCommit: async () => {
        if (!working) throw new Error('no')
      },
    })
    await rejection(store.write((tx) => tx.change('entry', ['a'])))
    working = true
    expect(await store.write((tx) => tx.change('entry', ['b']))).toBe(1)
  })
})
