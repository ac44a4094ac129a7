import fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromPem, toPem } from '../../../src/x509/pem.ts'
import { leastCpuMs } from '../../support/cost.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

const pem = toPem('CERTIFICATE', Buffer.from('some bytes'))

test('blocks come back in order, whatever stands between them', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 5 }),
      fc.string().filter((text) => !text.includes('-')),
      (ders, between) => {
        const text = ders.map((der) => `${between}\n${toPem('CERTIFICATE', der)}`).join('')
        expect(fromPem(text)).toEqual(
          ders.map((der) => ({ label: 'CERTIFICATE', der: Buffer.from(der) })),
        )
      },
    ),
  )
})

test('lines that end with CR LF are read', () => {
  expect(fromPem(pem.replaceAll('\n', '\r\n'))).toHaveLength(1)
})

test.each([
  ['no end', '-----BEGIN CERTIFICATE-----\nAAAA\n'],
  ['another label at the end', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END KEY-----\n'],
  ['no label', '-----BEGIN -----\nAAAA\n-----END -----\n'],
  ['a label that is not closed', '-----BEGIN CERTIFICATE\nAAAA'],
  ['nothing inside', '-----BEGIN A-----\n-----END A-----\n'],
  ['a character that is not base64', '-----BEGIN A-----\nAA!AAAA\n-----END A-----\n'],
  ['the other base64 alphabet', '-----BEGIN A-----\nAA_A\n-----END A-----\n'],
  ['wrong padding', '-----BEGIN A-----\nAAA\n-----END A-----\n'],
  ['bits past the end', '-----BEGIN A-----\nAB==\n-----END A-----\n'],
  ['headers', '-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END A-----\n'],
  ['a block in a block', '-----BEGIN A-----\n-----BEGIN A-----\nAAAA\n-----END A-----\n'],
])('a block with %s is refused', (_title, text) => {
  expect(reasonOf(() => fromPem(text))).toBe('pem-malformed')
})

test('a text without a block has none', () => {
  expect(fromPem('no block here')).toEqual([])
})

test('more than 4 MiB or 1,000 blocks are refused, and quickly', async () => {
  for (const text of [
    '-'.repeat(5 * 1024 * 1024),
    pem.repeat(1001),
    '-----BEGIN '.repeat(300_000),
    `-----BEGIN A-----${'\n'.repeat(4_000_000)}`,
  ]) {
    const read = () => expect(reasonOf(() => fromPem(text))).toBe('pem-malformed')
    expect(await leastCpuMs(3, read)).toBeLessThan(500)
  }
})
