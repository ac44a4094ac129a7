import { expect, test } from 'vitest'
import { Admission, addressShare } from '../../../src/mtls/admission.ts'

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8:1:2::6', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['fe80::1%eth0', 'fe80:0:0:0'],
  ['::1', '0:0:0:0'],
])('%s counts as %s', (address, share) => {
  expect(addressShare(address)).toBe(share)
})

function guest(address: string, bytes = 0) {
  return {
    address,
    bytes,
    destroyed: false,
    destroy() {
      this.destroyed = true
    },
  }
}

test('caps count what is there, not what has left', () => {
  const admission = new Admission({
    maxConnections: 3,
    maxConnectionsPerAddress: 2,
    maxHandshakes: 10,
  })
  const [a, b, c, d] = [guest('a'), guest('a'), guest('a'), guest('b')]
  expect([a, b, c].map((one) => admission.enter(one))).toEqual([true, true, false])
  expect(admission.enter(d)).toBe(true)
  expect(admission.enter(guest('c'))).toBe(false)
  admission.leave(a)
  admission.leave(a)
  expect(admission.size).toBe(2)
  expect(admission.enter(c)).toBe(true)
})

test('a guest that had to give way is not verified any more', () => {
  const admission = new Admission({
    maxConnections: 9,
    maxConnectionsPerAddress: 9,
    maxHandshakes: 1,
  })
  const [old, young] = [guest('a'), guest('a')]
  admission.enter(old)
  admission.enter(young)
  expect(old.destroyed).toBe(true)
  expect(admission.verified(old)).toBe(false)
  expect(admission.verified(young)).toBe(true)
})

test('of unfinished handshakes that have sent too much together those with the most give way', () => {
  const admission = new Admission({
    maxConnections: 9,
    maxConnectionsPerAddress: 9,
    maxHandshakes: 9,
  })
  const guests = [guest('a', 30), guest('b', 10), guest('c', 40), guest('d', 20), guest('e', 500)]
  const [, , , , done] = guests
  for (const one of guests) admission.enter(one)
  if (done !== undefined) admission.verified(done)
  admission.bound(100)
  expect(guests.filter(({ destroyed }) => destroyed)).toEqual([])
  admission.bound(35)
  expect(guests.filter(({ destroyed }) => destroyed).map(({ bytes }) => bytes)).toEqual([30, 40])
  expect(admission.handshakes).toBe(2)
})
