import { describeResource, requireAccessToken } from 'countersign/resource-server'
import { expect, test } from 'vitest'
import { reasonOf } from '../../support/x509-fixtures.ts'

const issuer = 'https://as.example.org'
const of = (resource: string, scopes: readonly string[] = ['orders:read']) =>
  describeResource({ resource, issuer, scopes, requireBound: true })
const boundIn = ({ document }: { readonly document: string }): unknown =>
  JSON.parse(document).tls_client_certificate_bound_access_tokens

test('RFC 9728 §3.1 the document of a resource is between its host and its path', () => {
  const { path, url, document } = of('https://api.example.org/orders')
  expect(path).toBe('/.well-known/oauth-protected-resource/orders')
  expect(url).toBe(`https://api.example.org${path}`)
  expect(JSON.parse(document)).toEqual({
    resource: 'https://api.example.org/orders',
    authorization_servers: [issuer],
    scopes_supported: ['orders:read'],
    bearer_methods_supported: ['header'],
    tls_client_certificate_bound_access_tokens: true,
  })
  expect(of('https://api.example.org').path).toBe('/.well-known/oauth-protected-resource')
  expect(of('https://api.example.org/a?b=c').path).toBe(
    `/.well-known/oauth-protected-resource/a?b=c`,
  )
  const plain = { resource: 'https://api.example.org', issuer, scopes: [] }
  expect(boundIn(describeResource(plain))).toBe(false)
  expect(boundIn(describeResource({ ...plain, requireBound: false }))).toBe(false)
})

test('a resource that cannot be found by its name, and a URL that would break out of its header, are refused', () => {
  for (const resource of ['urn:orders', 'http://api.example.org', 'https://api.example.org#x']) {
    expect(reasonOf(() => of(resource))).toBe('resource-description')
  }
  expect(reasonOf(() => of('https://api.example.org', ['a b']))).toBe('resource-description')
  const verifier = { verify: () => Promise.reject(new Error('nobody asks')) }
  expect(
    reasonOf(() =>
      requireAccessToken({ verifier, scopes: [], resourceMetadata: 'https://a.example/"' }),
    ),
  ).toBe('resource-metadata')
})
