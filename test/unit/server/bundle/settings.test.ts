import { expect, test } from 'vitest'
import { federationSchema, readFederation } from '../../../../server/bundle/settings.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { reasonOf } from '../../../support/x509-fixtures.ts'

test('unless told, bundles are fetched from the public internet, and none is served', () => {
  expect(readFederation()).toEqual({
    fetch: true,
    allowedNetworks: [],
    allowedPorts: undefined,
    webCa: undefined,
    endpoint: undefined,
    trustDomains: new Map(),
  })
})

test.each([
  ['a key that is not known', { allowed_network: [] }],
  ['a network that is none', { allowed_networks: ['10.0.0.0/33'] }],
  ['an address with the width of a network', { allowed_networks: ['10.7.0.1/16'] }],
  ['no port', { allowed_ports: [] }],
  ['port 0', { allowed_ports: [0] }],
  ['an endpoint without a profile', { bundle_endpoint: { address: '0.0.0.0:8443' } }],
  ['a trust domain that is none', { trust_domains: [{ name: 'Partner.test' }] }],
  ['another end of it', { trust_domains: [{ name: 'a.test', on_stale: 'ignore' }] }],
  ['another profile', { bundle_endpoint: { address: '0.0.0.0:8443', profile: 'http' } }],
])('%s is refused', (_, said) => {
  expect(federationSchema.safeParse(said).success).toBe(false)
})

const address = { host: '0.0.0.0', port: 8443 }
const files = { certificate: '/c.pem', key: '/k.pem' }

test('FED-14 an endpoint by the Web PKI has a certificate and its key, one by SPIFFE neither', () => {
  const read = (said: object) =>
    readFederation({ bundle_endpoint: { address, ...said } as never }).endpoint
  expect(read({ profile: 'https_web', ...files })).toEqual({
    address,
    profile: { type: 'https_web', ...files },
  })
  expect(read({ profile: 'https_spiffe' })).toEqual({ address, profile: { type: 'https_spiffe' } })
  for (const said of [
    { profile: 'https_web' },
    { profile: 'https_web', key: '/k.pem' },
    { profile: 'https_spiffe', ...files },
  ]) {
    expect(reasonOf(() => read(said))).toBe('config-federation')
  }
})

test('a bundle is stale a day after it was fetched last, and its SVIDs prove nothing then, unless told', () => {
  const read = (...said: object[]) =>
    readFederation(federationSchema.parse({ trust_domains: said })).trustDomains
  expect(
    read({ name: 'a.test' }, { name: 'b.test', max_staleness: '6h', on_stale: 'use' }),
  ).toEqual(
    new Map([
      ['a.test', { maxSeconds: 86_400, onStale: 'deny' }],
      ['b.test', { maxSeconds: 21_600, onStale: 'use' }],
    ]),
  )
  for (const said of [
    [{ name: 'a.test' }, { name: 'a.test' }],
    [{ name: 'a.test', max_staleness: '4m' }],
    [{ name: 'a.test', max_staleness: '367d' }],
  ]) {
    expect(reasonOf(() => read(...said))).toBe('config-federation')
  }
})

test('the own trust domain is none of those that it federates with', () => {
  const said = federationSchema.parse({ trust_domains: [{ name: 'a.test' }] })
  const own = (name: string) => () => readFederation(said, TrustDomain.parse(name))
  expect(reasonOf(own('a.test'))).toBe('config-federation')
  expect(own('b.test')().trustDomains.size).toBe(1)
})
