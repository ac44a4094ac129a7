import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { checkDer, DerReader, dottedOid, TAG } from '../../../src/x509/der.ts'
import { element, integer, oid, sequence, time } from '../../../src/x509/der-write.ts'
import { readTime } from '../../../src/x509/time.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('the check of DER', () => {
  const bad: readonly (readonly [string, string])[] = [
    ['nothing', ''],
    ['a tag alone', '30'],
    ['an indefinite length', '30 80 00 00'],
    ['a length in more bytes than it needs', '04 81 01 00'],
    ['a length with a leading zero', '04 82 00 80'],
    ['a length of 64 bits', '04 88 0000000000000001 00'],
    ['a length of four bytes', '04 84 00000001 00'],
    ['a length past the end', '04 05 00'],
    ['a length cut short', '04 82 01'],
    ['trailing bytes', '04 01 00 00'],
    ['a child that is longer than its parent', '30 03 04 02 00 00'],
    ['a child cut short', '30 01 04'],
    ['a tag of more than one byte', '1f 81 01 00'],
    ['a boolean 01', '01 01 01'],
    ['a boolean of two bytes', '01 02 ff ff'],
    ['an empty boolean', '01 00'],
    ['an empty integer', '02 00'],
    ['a positive integer with a leading zero', '02 02 00 01'],
    ['a negative integer with a leading FF', '02 02 ff 80'],
    ['an empty bit string', '03 00'],
    ['eight unused bits', '03 02 08 00'],
    ['unused bits that are set', '03 02 01 01'],
    ['unused bits of nothing', '03 01 01'],
    ['a null with content', '05 01 00'],
    ['an octet string in pieces', '24 03 04 01 00'],
    ['a sequence that is not constructed', '10 00'],
    ['end of contents', '00 00'],
    ['a mistake far inside', '30 06 31 04 30 02 02 00'],
  ]

  test.each(bad)('refuses %s', (_title, text) => {
    expect(reasonOf(() => checkDer(hex(text)))).toBe('der-malformed')
  })

  test.each([
    ['an empty sequence', '30 00'],
    ['empty sequences in a row', '30 04 30 00 30 00'],
    ['a boolean', '01 01 ff'],
    ['an integer of two bytes that needs both', '02 02 00 80'],
    ['a bit string', '03 02 03 a8'],
    ['a context tag', 'a0 03 02 01 02'],
    ['a sequence after a nested one', '30 07 30 03 02 01 01 05 00'],
  ])('accepts %s', (_title, text) => {
    expect(reasonOf(() => checkDer(hex(text)))).toBe('ok')
  })

  test('T6 refuses 80 KiB of nesting without a deep stack', () => {
    let nested: Buffer = Buffer.alloc(0)
    for (let depth = 0; depth < 17; depth++) nested = sequence(nested)
    expect(reasonOf(() => checkDer(nested))).toBe('der-malformed')
    expect(reasonOf(() => checkDer(Buffer.alloc(80_000, 0x30)))).toBe('der-malformed')
  })

  test('any bytes are refused or accepted, never a crash', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(reasonOf(() => checkDer(Buffer.from(bytes)))).toMatch(/^(ok|der-malformed)$/)
      }),
      { numRuns: 2000 },
    )
  })

  test('what was written is accepted, and read back', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 70_000 }),
        fc.uint8Array({ maxLength: 40 }),
        (a, b) => {
          const der = sequence(element(0x04, a), integer(b))
          expect(reasonOf(() => checkDer(der))).toBe('ok')
          const reader = new DerReader(der).read(TAG.sequence)
          expect(reader.read(0x04).content()).toEqual(Buffer.from(a))
          const digits = Buffer.from(b)
            .toString('hex')
            .replace(/^(00)+/, '')
          expect(
            reader
              .readInteger()
              .toString('hex')
              .replace(/^(00)+/, ''),
          ).toBe(digits)
          reader.finish()
        },
      ),
      { numRuns: 50 },
    )
  })
})

describe('an object identifier', () => {
  test.each(['1.2.840.113549.1.1.11', '2.5.29.17', '0.9.2342', '1.39', '2.999.3', '1.3.101.112'])(
    '%s is written and read',
    (dotted) => {
      expect(new DerReader(oid(dotted)).readOid()).toBe(dotted)
    },
  )

  test('with an arc above 32 bits keeps its value', () => {
    expect(dottedOid(hex('2a 90 80 80 80 03'))).toBe('1.2.4294967299')
  })

  test.each(['', '80 01', '2a 80 01', '2a 86', 'ff'.repeat(70)])(
    'of octets %j is refused',
    (text) => {
      expect(reasonOf(() => dottedOid(hex(text)))).toBe('der-malformed')
    },
  )
})

describe('a time', () => {
  const read = (der: Buffer) => readTime(new DerReader(der))
  const text = (tag: number, value: string) => element(tag, Buffer.from(value))

  test.each([
    ['1950-01-01T00:00:00Z', TAG.utcTime],
    ['2049-12-31T23:59:59Z', TAG.utcTime],
    ['2050-01-01T00:00:00Z', TAG.generalizedTime],
    ['1949-12-31T23:59:59Z', TAG.generalizedTime],
    ['9999-12-31T23:59:59Z', TAG.generalizedTime],
    ['2028-02-29T12:30:59Z', TAG.utcTime],
  ])('%s is written with tag %i and read back', (iso, tag) => {
    const der = time(new Date(iso))
    expect(der[0]).toBe(tag)
    expect(read(der)).toEqual(new Date(iso))
  })

  test('any second from 1950 to 9999 comes back', () => {
    const whole = fc.date({
      min: new Date('1950-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59Z'),
      noInvalidDate: true,
    })
    fc.assert(
      fc.property(whole, (date) => {
        const second = new Date(Math.floor(date.getTime() / 1000) * 1000)
        expect(read(time(date))).toEqual(second)
      }),
    )
  })

  test.each([
    ['no seconds', 0x17, '3001010000Z'],
    ['an offset', 0x17, '300101000000+0000'],
    ['no zone', 0x17, '300101000000'],
    ['month 13', 0x17, '301301000000Z'],
    ['month 0', 0x17, '300001000000Z'],
    ['30 February', 0x17, '300230000000Z'],
    ['hour 24', 0x17, '300101240000Z'],
    ['second 60', 0x17, '300101000060Z'],
    ['a letter', 0x17, '30O101000000Z'],
    ['a sign', 0x17, '-10101000000Z'],
    ['a fraction', 0x18, '20300101000000.5Z'],
    ['a short year', 0x18, '300101000000Z'],
    ['29 February 2030', 0x18, '20300229000000Z'],
    ['another tag', 0x13, '300101000000Z'],
  ])('with %s is refused', (_title, tag, value) => {
    expect(reasonOf(() => read(text(tag, value)))).toBe('der-malformed')
  })
})

test('of forge nothing is loaded but its writer of ASN.1', () => {
  const loaded = Object.keys(createRequire(import.meta.url).cache)
    .filter((path) => path.includes('/node-forge/lib/'))
    .map((path) => path.slice(path.lastIndexOf('/') + 1))
  expect(loaded).toContain('asn1.js')
  expect(loaded.filter((file) => /^(pki|rsa|x509|pkcs|index|jsbn|tls)/.test(file))).toEqual([])
})
