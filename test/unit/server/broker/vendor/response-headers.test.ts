import { expect, test } from 'vitest'
import {
  checkVendorHead,
  headersForCaller,
} from '../../../../../server/broker/vendor/response-headers.ts'
import { reasonOf } from '../../../../support/x509-fixtures.ts'

const key = 'the-key-of-acme'
const forms = [Buffer.from(key)]
const shown = (...rawHeaders: string[]) => headersForCaller({ statusCode: 200, rawHeaders }, forms)

test.each([
  // RFC 9110 §7.6.1: of this hop alone, or how the message is read.
  ...['Connection', 'Keep-Alive', 'TE', 'Trailer', 'Transfer-Encoding', 'Upgrade'],
  ...['Content-Encoding', 'Content-Length', 'Proxy-Authenticate', 'Proxy-Connection'],
  // As good as the key, or asks for one.
  ...['Set-Cookie', 'Set-Cookie2', 'Authentication-Info', 'WWW-Authenticate'],
  // About a name under which no caller reaches the vendor.
  ...['Alt-Svc', 'Strict-Transport-Security'],
  // The broker's own word.
  ...['Countersign-Refusal', 'countersign-anything'],
])('a caller hears nothing of a vendor’s header %s', (name) => {
  expect(shown(name, 'x', name.toLowerCase(), 'y', 'X-Other', 'z')).toEqual(['X-Other', 'z'])
})

test('T21 the key is in no header, nor in the name of one, and what Connection lists goes no further', () => {
  expect(shown('X-Echo', `a ${key}`, `X-${key}`, 'b', 'Location', `/${key}?`)).toEqual([
    ...['X-Echo', `a ${'*'.repeat(key.length)}`, 'Location', `/${'*'.repeat(key.length)}?`],
  ])
  expect(shown('connection', 'close, X-Hop', 'x-hop', '1', 'CONNECTION', 'b', 'B', '2')).toEqual([])
})

test.each<[string, number, string[]]>([
  ['ok', 200, []],
  ['ok', 200, ['Content-Encoding', 'Identity', 'Transfer-Encoding', 'Chunked']],
  ['ok', 599, ['content-length', '10']],
  ['vendor-status', 99, []],
  ['vendor-status', 199, []],
  ['vendor-status', 206, []],
  ['vendor-status', 600, []],
  ['vendor-encoding', 200, ['content-encoding', 'gzip']],
  ['vendor-encoding', 200, ['content-encoding', 'identity, gzip']],
  ['vendor-encoding', 200, ['content-encoding', 'identity', 'Content-Encoding', 'br']],
  ['vendor-framing', 200, ['transfer-encoding', 'gzip']],
  ['vendor-framing', 200, ['transfer-encoding', 'chunked', 'transfer-encoding', 'chunked']],
  ['vendor-framing', 200, ['transfer-encoding', 'chunked', 'transfer-encoding', 'gzip']],
  ['vendor-too-large', 200, ['content-length', '11']],
])('an answer in which the key could not be seen is none: %s', (reason, statusCode, rawHeaders) => {
  expect(reasonOf(() => checkVendorHead({ statusCode, rawHeaders }, 'GET', 10))).toBe(reason)
})

test('RFC 9110 §8.6 the length of a body that does not come is no body too large', () => {
  const check = (method: string, statusCode: number) =>
    reasonOf(() =>
      checkVendorHead({ statusCode, rawHeaders: ['content-length', '11'] }, method, 10),
    )
  expect([check('HEAD', 200), check('GET', 304), check('POST', 200)]).toEqual([
    ...['ok', 'ok', 'vendor-too-large'],
  ])
})
