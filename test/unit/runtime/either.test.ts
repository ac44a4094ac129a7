import { expect, test } from 'vitest'
import { type Either, either } from '../../../src/runtime/either.ts'
import { Latest } from '../../../src/runtime/latest.ts'

/** A source by hand, that counts how often it has been asked. */
function source<T>() {
  const box = new Latest<T>()
  const items = box[Symbol.asyncIterator]()
  let asked = 0
  const iterator: AsyncIterator<T> = {
    next() {
      asked += 1
      return items.next()
    },
  }
  return { box, iterator, asked: () => asked }
}

test('gives what either source gives, as it comes, until one ends', async () => {
  const numbers = source<number>()
  const words = source<string>()
  const both = either(numbers.iterator, words.iterator)
  words.box.put('a')
  expect((await both.next()).value).toEqual({ from: 'second', value: 'a' })
  numbers.box.put(1)
  expect((await both.next()).value).toEqual({ from: 'first', value: 1 })
  const next = both.next()
  words.box.put('b')
  expect((await next).value).toEqual({ from: 'second', value: 'b' })
  numbers.box.end()
  expect(await both.next()).toEqual({ done: true, value: undefined })
})

test('asks for the next value once the one before has been dealt with', async () => {
  const numbers = source<number>()
  const words = source<string>()
  const both = either(numbers.iterator, words.iterator)
  numbers.box.put(1)
  await both.next()
  expect([numbers.asked(), words.asked()]).toEqual([1, 1])
  const next = both.next()
  expect([numbers.asked(), words.asked()]).toEqual([2, 1])
  words.box.put('a')
  await next
  expect([numbers.asked(), words.asked()]).toEqual([2, 1])
})

test('loses nothing that comes while another value is dealt with', async () => {
  const numbers = source<number>()
  const words = source<string>()
  const heard: Either<number, string>[] = []
  numbers.box.put(1)
  words.box.put('a')
  for await (const event of either(numbers.iterator, words.iterator)) {
    await new Promise((resolve) => setImmediate(resolve))
    heard.push(event)
    if (heard.length === 2) words.box.end()
  }
  expect(heard.map(({ value }) => value)).toEqual([1, 'a'])
})

test('throws what a source throws', async () => {
  const numbers = source<number>()
  const words = source<string>()
  const both = either(numbers.iterator, words.iterator)
  const next = both.next()
  words.box.end(new Error('broken'))
  await expect(next).rejects.toThrow('broken')
})
