import {
  type ClientDuplexStream,
  credentials,
  Metadata,
  makeGenericClientConstructor,
} from '@grpc/grpc-js'
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader'
import { describe, expect, onTestFinished, test } from 'vitest'
import { defaultSdsConfig } from '../../../../agent/sds/names.ts'
import type { ServerReflectionClient } from '../../../../src/rpc/gen/grpc/reflection/v1/ServerReflection.ts'
import type { ServerReflectionRequest$Input } from '../../../../src/rpc/gen/grpc/reflection/v1/ServerReflectionRequest.ts'
import type { ServerReflectionResponse } from '../../../../src/rpc/gen/grpc/reflection/v1/ServerReflectionResponse.ts'
import { serviceDefinition } from '../../../../src/rpc/services.ts'
import { header, nextMessage, ownUid, reasonOf, startEndpoint, until } from './fixture.ts'

const v1 = 'grpc.reflection.v1.ServerReflection'
const v1alpha = 'grpc.reflection.v1alpha.ServerReflection'
const health = 'grpc.health.v1.Health'
const sds = 'envoy.service.secret.v3.SecretDiscoveryService'

type Stream = ClientDuplexStream<ServerReflectionRequest$Input, ServerReflectionResponse>

function open(path: string, service: typeof v1 | typeof v1alpha = v1, metadata = header): Stream {
  const Client = makeGenericClientConstructor(serviceDefinition(service), service)
  const client = new Client(`unix:${path}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
  }) as unknown as ServerReflectionClient
  onTestFinished(() => client.close())
  return client.ServerReflectionInfo(metadata).setMaxListeners(0)
}

function ask(
  stream: Stream,
  request: ServerReflectionRequest$Input,
): Promise<ServerReflectionResponse> {
  stream.write(request)
  return nextMessage(stream)
}

interface Field {
  readonly name: string
  readonly number: number
  readonly typeName?: string
}
interface Message {
  readonly name: string
  readonly field?: readonly Field[]
  readonly nestedType?: readonly Message[]
  readonly enumType?: readonly { readonly name: string }[]
  readonly options?: { readonly mapEntry?: boolean }
}
interface File {
  readonly name: string
  readonly package?: string
  readonly dependency?: readonly string[]
  readonly messageType?: readonly Message[]
  readonly enumType?: readonly { readonly name: string }[]
  readonly service?: readonly {
    readonly name: string
    readonly method?: readonly {
      readonly name: string
      readonly inputType: string
      readonly outputType: string
      readonly serverStreaming?: boolean
    }[]
  }[]
}

const fileCodec = loadSync('google/protobuf/descriptor.proto', { enums: String })[
  'google.protobuf.FileDescriptorProto'
] as unknown as MessageTypeDefinition<File, File>

function filesOf(response: ServerReflectionResponse): readonly File[] {
  const bytes = response.file_descriptor_response?.file_descriptor_proto ?? []
  return bytes.map((one) => fileCodec.deserialize(one))
}

describe.each([v1, v1alpha] as const)('%s', (service) => {
  test('WLE-21 names the services that are served, and no other', async () => {
    for (const withSds of [true, false]) {
      const { path } = await startEndpoint(withSds ? { sds: defaultSdsConfig } : {})
      const request = { host: 'h', list_services: '*' }
      const response = await ask(open(path, service), request)
      expect(response.valid_host).toBe('h')
      expect(response.original_request).toMatchObject(request)
      expect(response.list_services_response?.service.map(({ name }) => name)).toEqual([
        'SpiffeWorkloadAPI',
        health,
        ...(withSds ? [sds] : []),
        v1,
        v1alpha,
      ])
    }
  })
})

describe('the descriptors', () => {
  test("WLE-19 WLE-20 WLA-02 WLA-03 SpiffeWorkloadAPI has exactly the standard's calls", async () => {
    const { path } = await startEndpoint()
    const stream = open(path)
    const [file, ...imported] = filesOf(
      await ask(stream, { file_containing_symbol: 'SpiffeWorkloadAPI' }),
    )
    expect(file).toMatchObject({
      name: 'spiffe/workload.proto',
      dependency: ['google/protobuf/struct.proto'],
    })
    expect(file?.package ?? '').toBe('')
    expect(imported.map(({ name }) => name)).toEqual(['google/protobuf/struct.proto'])
    expect(file?.service).toHaveLength(1)
    const shapes = file?.service?.[0]?.method?.map(
      ({ name, inputType, outputType, serverStreaming }) =>
        `${name} ${inputType} ${serverStreaming === true ? 'stream ' : ''}${outputType}`,
    )
    expect(shapes).toEqual([
      'FetchX509SVID .X509SVIDRequest stream .X509SVIDResponse',
      'FetchX509Bundles .X509BundlesRequest stream .X509BundlesResponse',
      'FetchJWTSVID .JWTSVIDRequest .JWTSVIDResponse',
      'FetchJWTBundles .JWTBundlesRequest stream .JWTBundlesResponse',
      'ValidateJWTSVID .ValidateJWTSVIDRequest .ValidateJWTSVIDResponse',
      'FetchWITSVID .WITSVIDRequest stream .WITSVIDResponse',
      'FetchWITBundles .WITBundlesRequest stream .WITBundlesResponse',
    ])
    const fields = file?.messageType?.map(
      ({ name, field = [] }) =>
        `${name}: ${field.map((one) => `${one.number} ${one.name}`).join()}`,
    )
    expect(fields?.sort()).toEqual([
      'JWTBundlesRequest: ',
      'JWTBundlesResponse: 1 bundles',
      'JWTSVID: 1 spiffe_id,2 svid,3 hint',
      'JWTSVIDRequest: 1 audience,2 spiffe_id',
      'JWTSVIDResponse: 1 svids',
      'ValidateJWTSVIDRequest: 1 audience,2 svid',
      'ValidateJWTSVIDResponse: 1 spiffe_id,2 claims',
      'WITBundlesRequest: ',
      'WITBundlesResponse: 1 bundles',
      'WITSVID: 1 spiffe_id,2 wit_svid,3 wit_svid_key,4 hint',
      'WITSVIDRequest: 1 spiffe_id',
      'WITSVIDResponse: 1 svids',
      'X509BundlesRequest: ',
      'X509BundlesResponse: 1 crl,2 bundles',
      'X509SVID: 1 spiffe_id,2 x509_svid,3 x509_svid_key,4 bundle,5 hint',
      'X509SVIDRequest: ',
      'X509SVIDResponse: 1 svids,2 crl,3 federated_bundles',
    ])
    const response = file?.messageType?.find(({ name }) => name === 'X509SVIDResponse')
    expect(response?.field).toMatchObject([
      { name: 'svids', number: 1, typeName: '.X509SVID' },
      { name: 'crl', number: 2 },
      {
        name: 'federated_bundles',
        number: 3,
        typeName: '.X509SVIDResponse.FederatedBundlesEntry',
      },
    ])
    expect(response?.nestedType).toMatchObject([
      { name: 'FederatedBundlesEntry', options: { mapEntry: true } },
    ])
  })

  test('a call, a message and a file lead to the same file; each can be linked by itself', async () => {
    const { path } = await startEndpoint({ sds: defaultSdsConfig })
    const stream = open(path)
    for (const [symbol, name] of [
      ['SpiffeWorkloadAPI.FetchJWTSVID', 'spiffe/workload.proto'],
      ['JWTSVID', 'spiffe/workload.proto'],
      [health, 'grpc/health/v1/health.proto'],
      ['grpc.health.v1.HealthCheckResponse.ServingStatus', 'grpc/health/v1/health.proto'],
      [`${sds}.DeltaSecrets`, 'envoy/service/secret/v3/sds.proto'],
      ['envoy.config.core.v3.Node', 'envoy/config/core/v3/base.proto'],
      ['google.protobuf.Any', 'google/protobuf/any.proto'],
      ['google.rpc.Status', 'google/rpc/status.proto'],
      [v1, 'grpc/reflection/v1/reflection.proto'],
      [v1alpha, 'grpc/reflection/v1alpha/reflection.proto'],
    ] as const) {
      const bySymbol = filesOf(await ask(stream, { file_containing_symbol: symbol }))
      const byName = filesOf(await ask(stream, { file_by_filename: name }))
      expect(bySymbol[0]?.name, symbol).toBe(name)
      expect(byName).toEqual(bySymbol)
      expect(unresolved(bySymbol)).toEqual([])
    }
  })

  test('what is not there is answered as not found, and the stream goes on', async () => {
    const { path } = await startEndpoint()
    const stream = open(path)
    for (const request of [
      { file_containing_symbol: sds },
      { file_containing_symbol: 'spire.api.server.agent.v1.Agent' },
      { file_by_filename: 'countersign/sync/v1/sync.proto' },
      { file_by_filename: '../package.json' },
      { file_containing_extension: { containing_type: 'JWTSVID', extension_number: 1 } },
      { all_extension_numbers_of_type: 'Nothing' },
    ]) {
      expect(await ask(stream, request)).toMatchObject({ error_response: { error_code: 5 } })
    }
    expect(await ask(stream, { all_extension_numbers_of_type: 'JWTSVID' })).toMatchObject({
      all_extension_numbers_response: { base_type_name: 'JWTSVID', extension_number: [] },
    })
  })
})

describe('who may ask, and how much', () => {
  test('WLE-06 without the security header it is refused', async () => {
    const { path } = await startEndpoint()
    for (const service of [v1, v1alpha] as const) {
      const stream = open(path, service, new Metadata())
      expect(await reasonOf(ask(stream, { list_services: '' }))).toBe('security-header')
    }
  })

  test('T12 requests are bounded, in length and in number', async () => {
    const { path } = await startEndpoint()
    for (const request of [
      { file_containing_symbol: 'x'.repeat(513) },
      { host: 'nothing asked' },
    ]) {
      expect(await reasonOf(ask(open(path), request))).toBe('reflection-request')
    }
    const stream = open(path)
    for (let asked = 0; asked < 1024; asked += 1) await ask(stream, { list_services: '' })
    expect(await reasonOf(ask(stream, { list_services: '' }))).toBe('reflection-requests')
  })

  test("T13 a stream is one of its user's, until it ends", async () => {
    const { path, endpoint } = await startEndpoint({ limits: { streamsPerUid: 1 } })
    const stream = open(path)
    await ask(stream, { list_services: '' })
    expect(endpoint.stats().streamsByUid.get(ownUid)).toBe(1)
    expect(await reasonOf(ask(open(path), { list_services: '' }))).toBe('too-many-streams')
    stream.end()
    await until(() => endpoint.stats().streams === 0)
  })
})

/** Types that a field or a call names and none of the files has, and imports that are not there. */
function unresolved(files: readonly File[]): readonly string[] {
  const known = new Set<string>()
  const named: string[] = []
  const look = (message: Message, scope: string): void => {
    const name = `${scope}.${message.name}`
    known.add(name)
    for (const { name: inner } of message.enumType ?? []) known.add(`${name}.${inner}`)
    for (const { typeName } of message.field ?? []) if (typeName) named.push(typeName)
    for (const nested of message.nestedType ?? []) look(nested, name)
  }
  for (const file of files) {
    const scope = file.package === undefined ? '' : `.${file.package}`
    for (const message of file.messageType ?? []) look(message, scope)
    for (const { name } of file.enumType ?? []) known.add(`${scope}.${name}`)
    for (const { method = [] } of file.service ?? []) {
      named.push(...method.flatMap(({ inputType, outputType }) => [inputType, outputType]))
    }
  }
  const names = new Set(files.map(({ name }) => name))
  return [
    ...named.filter((name) => !known.has(name)),
    ...files.flatMap(({ dependency = [] }) => dependency.filter((name) => !names.has(name))),
  ]
}
