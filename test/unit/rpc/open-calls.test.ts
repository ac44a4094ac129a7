import { expect, test } from 'vitest'
import { OpenCalls } from '../../../src/rpc/open-calls.ts'

test('T12 open calls are bounded by caller and in all', () => {
  const calls = new OpenCalls<string>(2, 3)
  calls.enter('a')
  calls.enter('a')
  expect(() => calls.enter('a')).toThrow(expect.objectContaining({ reason: 'too-many-streams' }))
  calls.enter('b')
  expect(() => calls.enter('c')).toThrow(expect.objectContaining({ code: 'exhausted' }))
  calls.leave('a')
  calls.enter('c')
  expect([calls.total, calls.refused]).toEqual([3, 2])
  expect(Object.fromEntries(calls.byCaller())).toEqual({ a: 1, b: 1, c: 1 })
})
