import { describe, expect, test } from 'vitest'
import { type ServiceName, serviceDefinition } from '../../../src/rpc/services.ts'

const services: Readonly<Record<ServiceName, readonly string[]>> = {
  SpiffeWorkloadAPI: [
    'FetchX509SVID',
    'FetchX509Bundles',
    'FetchJWTSVID',
    'FetchJWTBundles',
    'ValidateJWTSVID',
    'FetchWITSVID',
    'FetchWITBundles',
  ],
  'spire.agent.debug.v1.Debug': ['GetInfo'],
  'spire.api.agent.delegatedidentity.v1.DelegatedIdentity': [
    'SubscribeToX509SVIDs',
    'SubscribeToX509Bundles',
    'FetchJWTSVIDs',
    'SubscribeToJWTBundles',
  ],
  'spire.api.agent.logger.v1.Logger': ['GetLogger', 'SetLogLevel', 'ResetLogLevel'],
  'spire.api.server.agent.v1.Agent': [],
  'spire.api.server.bundle.v1.Bundle': [],
  'spire.api.server.debug.v1.Debug': [],
  'spire.api.server.entry.v1.Entry': [],
  'spire.api.server.localauthority.v1.LocalAuthority': [],
  'spire.api.server.logger.v1.Logger': [],
  'spire.api.server.trustdomain.v1.TrustDomain': [],
  'spire.api.server.svid.v1.SVID': [],
  'countersign.clock.v1.Clock': [],
  'countersign.federation.v1.Federation': [],
  'countersign.fleet.v1.Fleet': [],
  'countersign.oauth.v1.Grants': [],
  'countersign.oauth.v1.TokenAuthority': ['PrepareJWTAuthority'],
  'countersign.revocation.v1.Revocation': [],
  'countersign.legacy.v1.Legacy': [],
  'countersign.policy.v1.Policies': [],
  'countersign.registry.v1.Registry': [],
  'countersign.sync.v1.Sync': ['Follow'],
  'envoy.service.secret.v3.SecretDiscoveryService': [
    'StreamSecrets',
    'FetchSecrets',
    'DeltaSecrets',
  ],
  'grpc.health.v1.Health': ['Check', 'Watch'],
  'grpc.reflection.v1.ServerReflection': ['ServerReflectionInfo'],
  'grpc.reflection.v1alpha.ServerReflection': ['ServerReflectionInfo'],
}

describe.each(Object.entries(services) as [ServiceName, readonly string[]][])(
  '%s',
  (name, rpcs) => {
    test('its RPCs go by their full names on the wire', () => {
      const definition = Object.entries(serviceDefinition(name))
      expect(definition.length).toBeGreaterThan(0)
      for (const [rpc, { path }] of definition) expect(path).toBe(`/${name}/${rpc}`)
      expect(definition.map(([rpc]) => rpc)).toEqual(expect.arrayContaining([...rpcs]))
    })

    test('it is read once', () => {
      expect(serviceDefinition(name)).toBe(serviceDefinition(name))
    })

    test('an empty message of each RPC is no bytes and comes back with its defaults', () => {
      for (const method of Object.values(serviceDefinition(name))) {
        expect(method.requestSerialize({})).toHaveLength(0)
        expect(method.responseSerialize({})).toHaveLength(0)
        expect(method.requestDeserialize(Buffer.alloc(0))).toBeTypeOf('object')
        expect(method.responseDeserialize(Buffer.alloc(0))).toBeTypeOf('object')
      }
    })
  },
)

describe('the Workload API as the standard has it', () => {
  const api = serviceDefinition('SpiffeWorkloadAPI')

  test('it has the standard seven RPCs and no other', () => {
    expect(Object.keys(api).toSorted()).toEqual(services.SpiffeWorkloadAPI.toSorted())
  })

  test.each([
    ['FetchX509SVID', true],
    ['FetchX509Bundles', true],
    ['FetchJWTSVID', false],
    ['FetchJWTBundles', true],
    ['ValidateJWTSVID', false],
    ['FetchWITSVID', true],
    ['FetchWITBundles', true],
  ] as const)('%s streams responses: %s', (rpc, responseStream) => {
    expect(api[rpc]).toMatchObject({
      path: `/SpiffeWorkloadAPI/${rpc}`,
      requestStream: false,
      responseStream,
    })
  })

  // Tag = field number << 3 | 2: every field of these messages has a length.
  const field = (number: number, content: string | Buffer): Buffer => {
    const bytes = Buffer.from(content)
    return Buffer.concat([Buffer.of((number << 3) | 2, bytes.length), bytes])
  }
  const pair = (number: number, key: string, value: string): Buffer =>
    field(number, Buffer.concat([field(1, key), field(2, value)]))
  const bytes = (text: string): Buffer => Buffer.from(text)

  test.each([
    [
      'X509SVIDResponse',
      api.FetchX509SVID.responseSerialize({
        svids: [
          {
            spiffe_id: 'id',
            x509_svid: bytes('chain'),
            x509_svid_key: bytes('key'),
            bundle: bytes('bundle'),
            hint: 'hint',
          },
        ],
        crl: [bytes('crl')],
        federated_bundles: { td: bytes('theirs') },
      }),
      [
        field(
          1,
          Buffer.concat([
            field(1, 'id'),
            field(2, 'chain'),
            field(3, 'key'),
            field(4, 'bundle'),
            field(5, 'hint'),
          ]),
        ),
        field(2, 'crl'),
        pair(3, 'td', 'theirs'),
      ],
    ],
    [
      'X509BundlesResponse',
      api.FetchX509Bundles.responseSerialize({ crl: [bytes('c')], bundles: { td: bytes('b') } }),
      [field(1, 'c'), pair(2, 'td', 'b')],
    ],
    [
      'JWTSVIDRequest',
      api.FetchJWTSVID.requestSerialize({ audience: ['a', 'b'], spiffe_id: 'id' }),
      [field(1, 'a'), field(1, 'b'), field(2, 'id')],
    ],
    [
      'JWTSVIDResponse',
      api.FetchJWTSVID.responseSerialize({ svids: [{ spiffe_id: 'id', svid: 't', hint: 'h' }] }),
      [field(1, Buffer.concat([field(1, 'id'), field(2, 't'), field(3, 'h')]))],
    ],
    [
      'JWTBundlesResponse',
      api.FetchJWTBundles.responseSerialize({ bundles: { td: bytes('b') } }),
      [pair(1, 'td', 'b')],
    ],
    [
      'ValidateJWTSVIDRequest',
      api.ValidateJWTSVID.requestSerialize({ audience: 'a', svid: 't' }),
      [field(1, 'a'), field(2, 't')],
    ],
    [
      // google.protobuf.Struct: fields = 1, a map whose values have string_value = 3.
      'ValidateJWTSVIDResponse',
      api.ValidateJWTSVID.responseSerialize({
        spiffe_id: 'id',
        claims: { fields: { sub: { stringValue: 'id' } } },
      }),
      [
        field(1, 'id'),
        field(2, field(1, Buffer.concat([field(1, 'sub'), field(2, field(3, 'id'))]))),
      ],
    ],
    [
      'WITSVIDResponse',
      api.FetchWITSVID.responseSerialize({
        svids: [{ spiffe_id: 'id', wit_svid: 't', wit_svid_key: 'k', hint: 'h' }],
      }),
      [field(1, Buffer.concat([field(1, 'id'), field(2, 't'), field(3, 'k'), field(4, 'h')]))],
    ],
    [
      'WITBundlesResponse',
      api.FetchWITBundles.responseSerialize({ bundles: { td: 'b' } }),
      [pair(1, 'td', 'b')],
    ],
  ] as const)('the fields of %s have their numbers', (_, message, fields) => {
    expect(message.toString('hex')).toBe(Buffer.concat([...fields]).toString('hex'))
  })
})

test('64-bit numbers are decimal strings, to the last bit', () => {
  const { Follow } = serviceDefinition('countersign.sync.v1.Sync')
  const applied = '18446744073709551615'
  expect(Follow.requestDeserialize(Follow.requestSerialize({ applied }))).toMatchObject({ applied })
})

test('bytes that end before their length says are refused', () => {
  const { responseDeserialize } = serviceDefinition('SpiffeWorkloadAPI').FetchX509SVID
  expect(() => responseDeserialize(Buffer.of(0x12, 0x05, 0x61))).toThrow(RangeError)
})
