import { randomFillSync } from 'node:crypto'

const SERIAL_BYTES = 16
// A call for 16 bytes costs as much as one for 4 KiB, and there is one for each leaf.
const drawn = Buffer.alloc(256 * SERIAL_BYTES)
let at = drawn.length

/** 126 random bits in 16 bytes: positive, not zero, always of one length. */
export function newSerial(): Buffer {
  if (at === drawn.length) {
    randomFillSync(drawn)
    at = 0
  }
  const serial = Buffer.from(drawn.subarray(at, at + SERIAL_BYTES))
  at += SERIAL_BYTES
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40
  return serial
}
