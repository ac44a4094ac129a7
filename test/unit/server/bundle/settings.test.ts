import { expect, test } from 'vitest'
import { federationSchema, readFederation } from '../../../../server/bundle/settings.ts'
import { reasonOf } from '../../../support/x509-fixtures.ts'

test('unless told, bundles are fetched from the public internet, and none is served', () => {
  expect(readFederation()).toEqual({
    fetch: true,
    allowedNetworks: [],
    allowedPorts: undefined,
    webCa: undefined,
    endpoint: undefined,
  })
})

test.each([
  ['a key that is not known', { allowed_network: [] }],
  ['a network that is none', { allowed_networks: ['10.0.0.0/33'] }],
  ['no port', { allowed_ports: [] }],
  ['port 0', { allowed_ports: [0] }],
  ['an endpoint without a profile', { bundle_endpoint: { address: '0.0.0.0:8443' } }],
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
