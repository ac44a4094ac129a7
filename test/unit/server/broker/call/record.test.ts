import { expect, test } from 'vitest'
import { deniedEvent, type Known } from '../../../../../server/broker/call/record.ts'
import { CountersignError } from '../../../../../src/errors.ts'
import { SpiffeId } from '../../../../../src/spiffe-id/spiffe-id.ts'

const refusal = new CountersignError('unauthenticated', 'no', { reason: 'token-missing' })
const peer = SpiffeId.parse('spiffe://example.org/web')

function pathOnRecord(path: string, by: Known['peer']): unknown {
  return deniedEvent({ address: '127.0.0.1:1', peer: by, path }, refusal, new Date(0)).details?.[
    'path'
  ]
}

test('T12 of a caller who has proved nothing 256 characters of the path are on record, of whole segments, and that it is cut', () => {
  const long = `/${'a'.repeat(99)}/${'b'.repeat(99)}/${'c'.repeat(8000)}`
  expect(pathOnRecord(long, undefined)).toBe(`/${'a'.repeat(99)}/${'b'.repeat(99)}/…`)
  expect(pathOnRecord(`/${'a'.repeat(8000)}`, undefined)).toBe('/…')
  expect(pathOnRecord(long, peer)).toBe(long)
  const short = `/${'a'.repeat(255)}`
  expect(pathOnRecord(short, undefined)).toBe(short)
})
