import { expect, test } from 'vitest'
import { oidcSchema, readOidc } from '../../../../server/oidc/settings.ts'
import { reasonOf } from '../../../support/x509-fixtures.ts'

const local = { address: { host: '127.0.0.1', port: 8083 } }
const files = { certificate: '/c.pem', key: '/k.pem' }

test('without a section nothing is served, and by default one host is', () => {
  expect(readOidc(undefined, undefined)).toBeUndefined()
  expect(readOidc(local, 'https://Oidc.Example.org/a/b')).toMatchObject({
    hosts: ['oidc.example.org'],
    issuer: 'https://Oidc.Example.org/a/b',
    tls: undefined,
  })
})

test.each([
  ['no issuer', local, undefined],
  ['an issuer without TLS', local, 'http://oidc.example.org'],
  ['an issuer with a query', local, 'https://oidc.example.org/?a=b'],
  ['an issuer with a fragment', local, 'https://oidc.example.org/#a'],
  ['an issuer with a user', local, 'https://a@oidc.example.org'],
  ['an issuer whose path is a pattern', local, 'https://oidc.example.org/:a/*'],
  ['a key alone', { ...local, key: '/k.pem' }, 'https://oidc.example.org'],
  [
    'plain HTTP for other machines',
    { address: { host: '0.0.0.0', port: 8083 } },
    'https://oidc.example.org',
  ],
  [
    'plain HTTP at a name that only begins like loopback',
    { address: { host: '127.example.org', port: 8083 } },
    'https://oidc.example.org',
  ],
])('%s is refused', (_, said, issuer) => {
  expect(reasonOf(() => readOidc(said, issuer))).toBe('config-oidc')
})

test('HTTPS may listen anywhere', () => {
  const said = { address: { host: '0.0.0.0', port: 443 }, ...files }
  expect(readOidc(said, 'https://oidc.example.org')?.tls).toEqual(files)
})

test('a host with a port, and a key that is not known, are refused', () => {
  const said = { address: '127.0.0.1:8083', hosts: ['oidc.example.org'] }
  expect(oidcSchema.safeParse(said).success).toBe(true)
  expect(oidcSchema.safeParse({ ...said, hosts: ['oidc.example.org:443'] }).success).toBe(false)
  expect(oidcSchema.safeParse({ ...said, hots: [] }).success).toBe(false)
})
