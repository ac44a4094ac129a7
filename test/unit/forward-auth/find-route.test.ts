import { describe, expect, test } from 'vitest'
import { routeFinder } from '../../../src/forward-auth/find-route.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'
import { route } from './running-forward-auth.ts'

const admin = route('/orders/admin', ['orders:admin'], 'GET')
const wide = route('/orders/**', ['orders:read'], 'GET', 'HEAD')

const found = (routes: (typeof wide)[], path: string, method = 'GET') =>
  routeFinder(routes)(method, path)
const reason = (...asked: Parameters<typeof found>) => reasonOf(() => found(...asked))

describe('T25 what some servers take for a path of a narrower route is none of the wider one:', () => {
  test.each([
    '/orders/admin/',
    '/orders/Admin',
    '/orders/ADMIN/',
    '/orders/admin.',
    '/orders/admin%20',
    '/orders/admin.%20./',
    '/orders/admin%C2%A0',
    '/orders/%EF%BD%81dmin',
    '/Orders/%EF%BD%81DMIN.%20/',
  ])('%s', (path) => {
    const any = route('/**', ['orders:read'], 'GET')
    expect(reason([admin, any], path)).toBe('route-ambiguous')
    // One that needs no more than the other.
    expect(found([{ ...admin, scopes: [] }, any], path)).toBe(any)
  })

  test('HEAD, where the narrower one is of GET', () => {
    expect(reason([admin, wide], '/orders/admin', 'HEAD')).toBe('route-ambiguous')
    expect(reason([admin, wide], '/orders/Admin/', 'HEAD')).toBe('route-ambiguous')
    expect(found([admin, wide], '/orders/7', 'HEAD')).toBe(wide)
  })

  test('where it is the pattern that has other letters, stars, or a slash at the end', () => {
    for (const pattern of ['/Orders/Admin', '/orders/admin/', '/ORDERS/admin/**', '/orders/*']) {
      const narrow = route(pattern, ['orders:admin'], 'GET')
      expect(reason([narrow, wide], '/orders/admin/')).toBe(
        pattern === '/orders/admin/' ? 'ok' : 'route-ambiguous',
      )
      expect(reason([narrow, wide], '/orders/aDmin/')).toBe('route-ambiguous')
    }
  })

  test('where a third one between them needs less than the narrow one', () => {
    const between = route('/orders/admin/', ['orders:read'], 'GET')
    expect(reason([between, admin, wide], '/orders/Admin')).toBe('route-ambiguous')
  })

  test('where the narrower one is strict while nothing is known', () => {
    const [strict, lenient] = [route('/orders', [], 'GET'), route('/**', [], 'GET')]
    const routes = [strict, { ...lenient, allowUntilExpiry: true }]
    expect(reason(routes, '/orders/')).toBe('route-ambiguous')
    expect(reason([{ ...strict, allowUntilExpiry: true }, lenient], '/orders/')).toBe('ok')
  })
})

test('paths of one route alone are its own, however they are written', () => {
  for (const path of ['/orders/', '/orders/Anna', '/orders/7/', '/orders/a.', '/orders/a%20']) {
    expect(found([admin, wide], path)).toBe(wide)
  }
  expect(found([admin, wide], '/orders/admin')).toBe(admin)
  expect(reason([admin], '/orders/Admin')).toBe('route-unknown')
  // An earlier one of another method.
  const put = route('/orders/admin', ['orders:admin'], 'PUT')
  expect(found([put, wide], '/orders/Admin')).toBe(wide)
})

test('a route for the very path and method is meant, whatever else would fit', () => {
  const [read, slash, head] = [
    route('/orders', ['orders:read'], 'GET'),
    route('/orders/', ['orders:list'], 'GET'),
    route('/orders', [], 'HEAD'),
  ]
  expect(found([read, slash, head], '/orders/')).toBe(slash)
  expect(found([read, slash, head], '/orders', 'HEAD')).toBe(head)
  expect(reason([read, slash, head, route('/**', [], 'GET')], '/orders.')).toBe('route-ambiguous')
})
