import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { createDecider } from '../../../src/forward-auth/decide.ts'
import { readProxied } from '../../../src/forward-auth/proxied-request.ts'
import type { Service } from '../../../src/forward-auth/settings.ts'
import type { Access } from '../../../src/resource-server/access-token.ts'
import type { Verifier } from '../../../src/resource-server/verifier.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'
import { orders, route } from './running-forward-auth.ts'

const access: Access = {
  ...{ subject: 'spiffe://example.org/web', clientId: 'spiffe://example.org/web', actors: [] },
  ...{ scopes: new Set(['orders:read']), tokenId: '1', bound: false },
  ...{ issuedAt: new Date(0), expiresAt: new Date(1) },
}

/** nginx asks about `GET` and this URI. */
function asked(uri = '/orders', target = '/orders'): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  request.url = target
  request.rawHeaders = ['Countersign-Method', 'GET', 'Countersign-Uri', uri]
  request.rawHeaders.push('Authorization', 'Bearer x')
  return request
}

async function decided(verify: () => Promise<Access>, routes: Service['routes'], uri?: string) {
  const services = new Map([['orders', { resource: orders, requireBound: false, routes }]])
  const decide = createDecider(services, () => ({ verify }))
  const { status, headers, error } = await decide(asked(uri), 'nginx')
  return { status, headers, reason: error?.reason }
}

const open = [route('/orders', [], 'GET')]

test('what cannot be foreseen lets nobody in, and tells nothing', async () => {
  for (const fault of [new Error('the word of a fault'), 'a text', undefined]) {
    const answer = await decided(() => Promise.reject(fault), open)
    expect(answer).toEqual({ status: 500, headers: {}, reason: 'internal' })
  }
})

test('what is said of a route holds for its tokens: unknown ones are let in where it says so, and nowhere else', async () => {
  const shown: unknown[] = []
  const verifier: Verifier = {
    async verify(_token, { whenUnknown } = {}) {
      shown.push(whenUnknown)
      return access
    },
  }
  for (const allowUntilExpiry of [true, false]) {
    const routes = [{ ...route('/orders', [], 'GET'), allowUntilExpiry }]
    const services = new Map([['orders', { resource: orders, requireBound: false, routes }]])
    await createDecider(services, () => verifier)(asked(), 'nginx')
  }
  expect(shown).toEqual(['allow-until-expiry', 'deny'])
})

test('what another header says is no header', () => {
  const request = asked()
  request.rawHeaders.unshift('X-Asked', 'countersign-method', 'X-Asked', 'authorization')
  const { method, authorizations } = readProxied(request, 'nginx')
  expect([method, authorizations]).toEqual(['GET', ['Bearer x']])
})

test('T25 of two routes that fit the first is the one, however lenient the second', async () => {
  const strict = route('/orders', ['orders:write'], 'GET')
  const lenient = route('/**', [], 'GET')
  const verify = async () => access
  expect((await decided(verify, [strict, lenient])).reason).toBe('token-scope')
  expect((await decided(verify, [lenient, strict])).status).toBe(200)
})

test('T25 what a server behind may take for a narrower route is refused, whatever the token', async () => {
  const routes = [
    route('/orders/admin', ['orders:admin'], 'GET'),
    route('/orders/**', ['orders:read'], 'GET'),
  ]
  const reasons = ['/orders/7', '/orders/admin', '/orders/admin/', '/orders/Admin'].map(
    async (uri) => (await decided(async () => access, routes, uri)).reason,
  )
  expect(await Promise.all(reasons)).toEqual([
    ...[undefined, 'token-scope', 'route-ambiguous', 'route-ambiguous'],
  ])
})

describe('T28 a name that a header could not hold as one name is not told on:', () => {
  test.each<[string, Partial<Access>]>([
    ['of the subject', { subject: 'a\r\nCountersign-Scope: all' }],
    ['of the subject, empty', { subject: '' }],
    ['of the client', { clientId: 'a b' }],
    ['of a scope', { scopes: new Set(['orders:read', 'a\u2028b']) }],
    ['of an actor', { actors: ['spiffe://example.org/a spiffe://example.org/b'] }],
    ['of an actor behind another', { actors: ['spiffe://example.org/a', 'é'] }],
  ])('%s', async (_name, more) => {
    const answer = await decided(async () => ({ ...access, ...more }), open)
    expect(answer).toMatchObject({ status: 403, reason: 'token-name' })
    expect(answer.headers).not.toHaveProperty('countersign-subject')
  })
})

test('a target or URI that is too long is not looked at', () => {
  const long = `/${'a'.repeat(8192)}`
  expect(reasonOf(() => readProxied(asked(long), 'nginx'))).toBe('proxy-target')
  expect(reasonOf(() => readProxied(asked('/orders', `/orders${long}`), 'nginx'))).toBe(
    'proxy-target',
  )
  expect(reasonOf(() => readProxied(asked(`/${'a'.repeat(8191)}`), 'nginx'))).toBe('ok')
})
