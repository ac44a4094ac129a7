import { expect, test } from 'vitest'
import { newEntryId } from '../../../../server/entry/entry-id.ts'

test('an entry’s id is a UUIDv7 (RFC 9562 §5.7): later ones sort behind, and no two are the same', () => {
  const ids = Array.from({ length: 2000 }, (_, at) => newEntryId(new Date(1_780_000_000_000 + at)))
  for (const id of ids) {
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  }
  expect(ids.toSorted()).toEqual(ids)
  expect(ids[0]?.slice(0, 13)).toBe('019e7044-8800')
  const sameTime = Array.from({ length: 10_000 }, () => newEntryId(new Date(0)))
  expect(new Set(sameTime).size).toBe(10_000)
})
