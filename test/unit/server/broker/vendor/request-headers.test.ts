import { describe, expect, test } from 'vitest'
import {
  checkHead,
  checkLength,
  headersForVendor,
  isForwardable,
} from '../../../../../server/broker/vendor/request-headers.ts'
import { reasonOf } from '../../../../support/x509-fixtures.ts'

const host = 'broker.test:8444'
const maxBytes = 100

/** What is said of a head with these headers; `Host` is as it has to be. */
function check(headers: readonly (readonly [string, string])[], method = 'POST') {
  const rawHeaders = [['Host', host], ...headers].flat()
  const framing = checkHead({ httpVersion: '1.1', method, rawHeaders }, host)
  checkLength(framing, maxBytes)
  return framing
}

test('a head has a hundred headers at most, Host among them', () => {
  const headers = Array.from({ length: 99 }, (_, at): [string, string] => [`X-${at}`, 'a'])
  expect(reasonOf(() => check(headers))).toBe('ok')
  expect(reasonOf(() => check([...headers, ['X', 'a']]))).toBe('headers-many')
})

// By itself, whatever the parser in front of it has let through: a version of Node that is more lenient changes nothing.
describe('RFC 9112 §6.3 a head whose body two readers may find in two ways is refused:', () => {
  test.each<[string, string, [string, string][], method?: string]>([
    ['two lengths', 'framing', [...twice('Content-Length', '1', '1')]],
    ['two lengths, in another case', 'framing', [...twice('content-LENGTH', '1', '2')]],
    ['two lengths in one', 'framing', [['Content-Length', '1, 1']]],
    ['a length with a sign', 'framing', [['Content-Length', '+1']]],
    ['a length in hexadecimal', 'framing', [['Content-Length', '0x1']]],
    ['a length with a blank', 'framing', [['Content-Length', '1 ']]],
    ['an empty length', 'framing', [['Content-Length', '']]],
    ['a length that no number holds', 'framing', [['Content-Length', '9'.repeat(16)]]],
    ['a length and chunks', 'framing', [...both('1', 'chunked')]],
    ['a length of nothing and chunks', 'framing', [...both('0', 'chunked')]],
    ['two codings', 'framing', [...twice('Transfer-Encoding', 'chunked', 'chunked')]],
    ['another coding', 'framing', [['Transfer-Encoding', 'gzip']]],
    ['chunks within another coding', 'framing', [['Transfer-Encoding', 'gzip, chunked']]],
    ['no coding', 'framing', [['Transfer-Encoding', 'identity']]],
    ['a body with GET', 'body-unexpected', [['Content-Length', '1']], 'GET'],
    ['a body with HEAD', 'body-unexpected', [['Content-Length', '1']], 'HEAD'],
    ['chunks with HEAD', 'body-unexpected', [['Transfer-Encoding', 'chunked']], 'HEAD'],
    ['too much', 'body-too-large', [['Content-Length', String(maxBytes + 1)]]],
    ['another Host', 'host-count', [['host', host]]],
    ['an upgrade', 'upgrade', [['UPGRADE', 'h2c']]],
    ['what is expected of nobody', 'expectation', [['Expect', '200-ok']]],
    ['two expectations', 'expectation', [...twice('Expect', '100-continue', 'more')]],
  ])('%s: %s', (_name, reason, headers, method) => {
    expect(reasonOf(() => check(headers, method))).toBe(reason)
  })

  test('and any other is read in the one way', () => {
    expect(check([['Content-Length', String(maxBytes)]])).toEqual({ kind: 'length', bytes: 100 })
    expect(check([['Transfer-Encoding', 'Chunked']])).toEqual({ kind: 'chunked' })
    expect(check([['Content-Length', '0']], 'GET')).toEqual({ kind: 'none' })
    expect(check([['Expect', '100-Continue']])).toEqual({ kind: 'none' })
  })
})

function twice(name: string, one: string, other: string): [string, string][] {
  return [
    [name, one],
    [name, other],
  ]
}

function both(length: string, coding: string): [string, string][] {
  return [
    ['Content-Length', length],
    ['Transfer-Encoding', coding],
  ]
}

test('T30 no header in which a caller says who he is, or how the message is read, can be named to reach a vendor', () => {
  const never = [
    ...['authorization', 'cookie', 'cookie2', 'dpop', 'workload-identity-token', 'x-api-key'],
    ...['accept-encoding', 'content-encoding', 'content-length', 'transfer-encoding', 'trailer'],
    ...['connection', 'keep-alive', 'te', 'upgrade', 'http2-settings', 'expect', 'host', 'via'],
    ...['range', 'if-range', 'forwarded', 'x-forwarded-for', 'x-real-ip', 'proxy-authorization'],
    ...['x-http-method', 'x-http-method-override', 'x-method-override'],
    ...['x-original-url', 'x-rewrite-url', 'sec-websocket-key', 'countersign-subject'],
  ]
  expect(never.filter(isForwardable)).toEqual([])
  // And none of them is among those that reach it anyway.
  expect([
    ...headersForVendor(
      never.flatMap((name) => [name, 'x']),
      new Set(),
    ).keys(),
  ]).toEqual([])
  expect(isForwardable('x-acme-version')).toBe(true)
})
