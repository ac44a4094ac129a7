import fc from 'fast-check'
import { expect, test } from 'vitest'
import { uuidV7 } from '../../../src/runtime/uuid.ts'

test('a UUIDv7 begins with its time, however small, and is random otherwise', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 2 ** 43 }), (ms) => {
      const id = uuidV7(new Date(ms))
      expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      expect(Number.parseInt(id.slice(0, 13).replace('-', ''), 16)).toBe(ms)
      expect(uuidV7(new Date(ms)).slice(14)).not.toBe(id.slice(14))
    }),
  )
})
