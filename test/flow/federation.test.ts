import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readFederation } from '../../server/bundle/settings.ts'
import { reasonOf } from '../support/reason-of.ts'
import { type RunningServer, startServer } from '../support/running-server.ts'
import { root } from '../support/x509-fixtures.ts'

let server: RunningServer

beforeAll(async () => {
  // What is fetched is the subject of federation-fetch.test.ts.
  server = await startServer({ overrides: { federation: { ...readFederation(), fetch: false } } })
})

afterAll(() => server.remove())

const federation = () => server.admin('spire.api.server.trustdomain.v1.TrustDomain')

const web = {
  trust_domain: 'web.test',
  bundle_endpoint_url: 'https://web.test/bundle.json',
  https_web: {},
}
const spiffe = {
  trust_domain: 'spiffe.test',
  bundle_endpoint_url: 'https://192.0.2.1:8443',
  https_spiffe: { endpoint_spiffe_id: 'spiffe://spiffe.test/spire/server' },
}

test('relationships are created with their bundles, updated by mask, listed, kept and deleted', async () => {
  const { der } = await root('spiffe.test')
  const bundle = { trust_domain: 'spiffe.test', x509_authorities: [{ asn1: der }] }
  const created = await federation().unary('BatchCreateFederationRelationship', {
    federation_relationships: [web, { ...spiffe, trust_domain_bundle: bundle }, web],
  })
  expect(created.results.map(({ status }) => status?.code)).toEqual([0, 0, 6])
  expect(created.results[1]?.federation_relationship).toMatchObject({
    bundle_endpoint_url: 'https://192.0.2.1:8443/',
    bundle_endpoint_profile: 'https_spiffe',
    https_spiffe: spiffe.https_spiffe,
    trust_domain_bundle: { trust_domain: 'spiffe.test', x509_authorities: [{ asn1: der }] },
  })
  const own = await server
    .admin('spire.api.server.bundle.v1.Bundle')
    .unary('GetFederatedBundle', { trust_domain: 'spiffe.test' })
  expect(own.x509_authorities[0]?.asn1).toEqual(der)

  const updated = await federation().unary('BatchUpdateFederationRelationship', {
    federation_relationships: [
      { trust_domain: 'web.test', bundle_endpoint_url: 'https://other.test/' },
      { trust_domain: 'none.test', bundle_endpoint_url: 'https://other.test/' },
    ],
    input_mask: { bundle_endpoint_url: true },
    output_mask: { bundle_endpoint_url: true },
  })
  expect(updated.results.map(({ status }) => status?.code)).toEqual([0, 5])
  const shown = updated.results[0]?.federation_relationship
  expect(shown).toMatchObject({ bundle_endpoint_url: 'https://other.test/' })
  expect(shown?.https_web).toBeUndefined()
  expect(
    await federation().unary('GetFederationRelationship', { trust_domain: 'spiffe://web.test' }),
  ).toMatchObject({ bundle_endpoint_profile: 'https_web', trust_domain_bundle: null })

  const first = await federation().unary('ListFederationRelationships', { page_size: 1 })
  expect(first.federation_relationships.map((one) => one.trust_domain)).toEqual(['spiffe.test'])
  const second = await federation().unary('ListFederationRelationships', {
    page_size: 1,
    page_token: first.next_page_token,
  })
  expect(second.federation_relationships.map((one) => one.trust_domain)).toEqual(['web.test'])
  expect(second.next_page_token).toBe('')

  expect(await reasonOf(federation().unary('RefreshBundle', { trust_domain: 'none.test' }))).toBe(
    'federation-not-found',
  )

  expect(await reasonOf(federation().unary('RefreshBundle', { trust_domain: 'web.test' }))).toBe(
    'federation-fetch-off',
  )

  const gone = await federation().unary('BatchDeleteFederationRelationship', {
    trust_domains: ['web.test', 'web.test', ''],
  })
  expect(gone.results.map(({ status }) => status?.code)).toEqual([0, 5, 3])
  expect(
    await reasonOf(federation().unary('GetFederationRelationship', { trust_domain: 'web.test' })),
  ).toBe('federation-not-found')
  const trail = readFileSync(server.config.auditFile, 'utf8')
  expect(trail).toContain('federation.set')
  expect(trail).toContain('federation.deleted')
})

test.each([
  ['FED-12 another scheme', { bundle_endpoint_url: 'http://web.test/' }],
  ['FED-12 a secret in the URL', { bundle_endpoint_url: 'https://u:p@web.test/' }],
  ['FED-10 no host', { bundle_endpoint_url: 'https:' }],
  [
    'FED-24 another scheme for an endpoint with an SVID',
    {
      ...spiffe,
      https_web: null,
      trust_domain: 'a.test',
      bundle_endpoint_url: 'http://192.0.2.1/',
    },
  ],
  ['a file', { bundle_endpoint_url: 'file:///etc/passwd' }],
  ['a long URL', { bundle_endpoint_url: `https://web.test/${'a'.repeat(3000)}` }],
  ['FED-10 no profile', { https_web: null }],
  ['FED-25 no SPIFFE ID', { https_web: null, https_spiffe: { endpoint_spiffe_id: 'x' } }],
  ['the own trust domain', { trust_domain: 'example.org' }],
  ['FED-10 no trust domain', { trust_domain: '' }],
  [`another's bundle`, { trust_domain_bundle: { trust_domain: 'evil.test' } }],
  ['an unsound bundle', { trust_domain_bundle: { trust_domain: 'a.test', jwt_authorities: [{}] } }],
])('T8 %s is refused', async (_, change) => {
  const { results } = await federation().unary('BatchCreateFederationRelationship', {
    federation_relationships: [{ ...web, trust_domain: 'a.test', ...change }],
  })
  expect(results.map(({ status }) => status?.code)).toEqual([3])
  expect(
    await reasonOf(federation().unary('GetFederationRelationship', { trust_domain: 'a.test' })),
  ).toBe('federation-not-found')
})
