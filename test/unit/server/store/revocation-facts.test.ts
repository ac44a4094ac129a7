import { expect, test } from 'vitest'
import {
  factHead,
  factsAfter,
  insertFacts,
  pruneFacts,
} from '../../../../server/store/revocation-facts.ts'
import { emptyHead, type Fact, headAfter } from '../../../../src/revocation/fact.ts'
import { tempDatabase, tempStore } from './fixture.ts'

function fact(id: string, endsAt = 5000): Fact {
  return { kind: 'spiffe-id', id, notBefore: 1000, endsAt }
}

test('facts are numbered by the change log, each chained to all before it', async () => {
  await using store = await tempStore()
  await store.write((tx) => tx.change('agent', ['a', 'b']))
  const last = await store.write((tx) => insertFacts(tx, [fact('one'), fact('two')]))
  await store.write((tx) => tx.change('agent', ['c']))
  const more = await store.write((tx) => insertFacts(tx, [fact('three')]))
  const { facts } = await factsAfter(store.db, 0, 100)
  expect(facts.map(({ number, id }) => [number, id])).toEqual([
    [last - 1, 'one'],
    [last, 'two'],
    [more, 'three'],
  ])
  expect(await factHead(store.db)).toEqual(facts.reduce(headAfter, emptyHead))
  expect(facts.at(-1)?.hash).toBe((await factHead(store.db)).hash)
})

test('what a job wrote that failed leaves neither fact nor gap', async () => {
  await using store = await tempStore()
  const failing = store.write(async (tx) => {
    await insertFacts(tx, [fact('never')])
    throw new Error('no')
  })
  const written = store.write((tx) => insertFacts(tx, [fact('one')]))
  await expect(failing).rejects.toThrow()
  expect(await written).toBe(1)
  const { facts } = await factsAfter(store.db, 0, 100)
  expect(facts).toMatchObject([{ id: 'one', number: 1 }])
  expect(await factHead(store.db)).toEqual(facts.reduce(headAfter, emptyHead))
})

test('two servers on one database write one chain', async () => {
  const { connect } = await tempDatabase()
  await using first = await tempStore({ connect })
  await using second = await tempStore({ connect })
  const stores = [first, second]
  await Promise.all(
    Array.from({ length: 20 }, (_, at) =>
      stores[at % 2]?.write((tx) => insertFacts(tx, [fact(`a${at}`), fact(`b${at}`)])),
    ),
  )
  const { facts } = await factsAfter(second.db, 0, 100)
  expect(facts).toHaveLength(40)
  expect(await factHead(first.db)).toEqual(facts.reduce(headAfter, emptyHead))
})

test('what has ended goes, but the last fact stays for the chain', async () => {
  await using store = await tempStore()
  await store.write((tx) => insertFacts(tx, [fact('a', 10), fact('b', 900), fact('c', 20)]))
  const head = await factHead(store.db)
  expect(await store.write((tx) => pruneFacts(tx, new Date(100_000)))).toBe(1)
  expect((await factsAfter(store.db, 0, 100)).facts.map(({ id }) => id)).toEqual(['b', 'c'])
  expect(await factHead(store.db)).toEqual(head)
})

test('a fact that somebody has changed in the database is not believed', async () => {
  const { connect, execute } = await tempDatabase()
  await using store = await tempStore({ connect })
  await store.write((tx) => insertFacts(tx, [fact('a'), fact('b')]))
  await execute(`update revocation_facts set not_before = 1 where id = 'a'`)
  const page = await factsAfter(store.db, 0, 100)
  expect(page.facts.map(({ id }) => id)).toEqual(['b'])
  expect(page.last).toBe(2)
  expect(store.refusedRows()).toBe(1)
})
