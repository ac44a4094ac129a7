import { PassThrough } from 'node:stream'
import {
  type ClientDuplexStream,
  credentials,
  Metadata,
  makeGenericClientConstructor,
} from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test } from 'vitest'
import { defaultSdsConfig } from '../../../../agent/sds/names.ts'
import type { DeltaDiscoveryResponse } from '../../../../src/rpc/gen/envoy/service/discovery/v3/DeltaDiscoveryResponse.ts'
import type { DiscoveryResponse } from '../../../../src/rpc/gen/envoy/service/discovery/v3/DiscoveryResponse.ts'
import type { SecretDiscoveryServiceClient } from '../../../../src/rpc/gen/envoy/service/secret/v3/SecretDiscoveryService.ts'
import { serviceDefinition } from '../../../../src/rpc/services.ts'
import { createLog } from '../../../../src/runtime/json-log.ts'
import type { Log } from '../../../../src/runtime/log.ts'
import { readSecret } from '../sds/samples.ts'
import { startChild, whyNoOtherUsers } from './child.ts'
import { answer, nextMessage, ownUid, reasonOf, startEndpoint, until } from './fixture.ts'
import { entryOf, friend, signing } from './identities.ts'

const service = 'envoy.service.secret.v3.SecretDiscoveryService'
const Client = makeGenericClientConstructor(serviceDefinition(service), service)
const sds = defaultSdsConfig
const mine = `unix:uid:${ownUid}`
const webId = 'spiffe://example.org/web'
const dbId = 'spiffe://example.org/db'

function dial(path: string): SecretDiscoveryServiceClient {
  const client = new Client(`unix:${path}`, credentials.createInsecure(), {
    'grpc.use_local_subchannel_pool': 1,
    'grpc.enable_retries': 0,
  }) as unknown as SecretDiscoveryServiceClient
  onTestFinished(() => client.close())
  return client
}

function namesOf({ resources }: DiscoveryResponse): string[] {
  return resources.map(({ value }) => readSecret(value).name)
}

function namesOfDelta({ resources }: DeltaDiscoveryResponse): string[] {
  return resources.map(({ name }) => name)
}

describe('StreamSecrets', () => {
  test('serves by any of the names at once, and pushes each change', async () => {
    const { path, updates } = await startEndpoint({ sds })
    updates.set([entryOf('/web', [mine])])
    const stream = dial(path).StreamSecrets()
    stream.write({ resource_names: ['default', 'ROOTCA', webId, 'spiffe://friend.org'] })
    const first: DiscoveryResponse = await nextMessage(stream)
    expect(namesOf(first)).toEqual(['default', 'ROOTCA', webId])
    expect(first.resource_errors.map(({ resource_name }) => resource_name?.name)).toEqual([
      'spiffe://friend.org',
    ])
    updates.federated = new Map([[friend, signing(friend).bundle]])
    updates.push()
    expect(namesOf(await nextMessage(stream))).toContain('spiffe://friend.org')
    stream.end()
    await until(() => updates.readers === 0)
  })

  test('tells what is taken away; who has nothing left is told so, and his stream ends', async () => {
    const { path, updates } = await startEndpoint({ sds })
    const web = entryOf('/web', [mine])
    updates.set([web, entryOf('/db', [mine])])
    const stream = dial(path).StreamSecrets()
    stream.write({ resource_names: [webId, dbId] })
    await nextMessage(stream)
    updates.set([web])
    const less = await nextMessage(stream)
    expect(namesOf(less)).toEqual([webId])
    expect(less.resource_errors).toMatchObject([
      { resource_name: { name: dbId }, error_detail: { code: 5 } },
    ])
    updates.set([])
    const nothing = await nextMessage(stream)
    expect(nothing.resources).toEqual([])
    expect(nothing.resource_errors).toHaveLength(2)
    expect(await reasonOf(nextMessage(stream))).toBe('no-identity')
    await until(() => updates.readers === 0)
  })

  test('waits for the first request before it spends anything on the caller', async () => {
    let attested = 0
    const { path, updates } = await startEndpoint({
      sds,
      attestors: [
        {
          type: 'counting',
          attest() {
            attested += 1
            return []
          },
        },
      ],
    })
    const client = dial(path)
    const bad = client.StreamSecrets()
    bad.write({ resource_names: [''] })
    expect(await reasonOf(nextMessage(bad))).toBe('sds-name')
    const silent = client.StreamSecrets()
    silent.end()
    await expect(nextMessage(silent)).rejects.toThrow('ended')
    expect({ attested, readers: updates.readers }).toEqual({ attested: 0, readers: 0 })
  })

  test('a refusal is logged, with what the caller said, and does not loop', async () => {
    const { log, lines } = memoryLog()
    const { path, updates } = await startEndpoint({ sds, log })
    updates.set([entryOf('/web', [mine])])
    const stream = dial(path).StreamSecrets()
    const heard: DiscoveryResponse[] = []
    stream.on('data', (message: DiscoveryResponse) => heard.push(message))
    stream.on('error', () => {})
    stream.write({ resource_names: ['default'] })
    await until(() => heard.length === 1)
    for (let times = 0; times < 20; times += 1) {
      stream.write({
        resource_names: ['default'],
        response_nonce: '1',
        error_detail: { code: 13, message: `no\nthanks ${times}` },
      })
    }
    stream.write({ resource_names: ['default', 'ROOTCA'], response_nonce: '1' })
    await until(() => heard.length === 2)
    expect(heard.map(namesOf)).toEqual([['default'], ['default', 'ROOTCA']])
    const refusals = lines().filter((line) => line.includes('did not take'))
    expect(refusals).toHaveLength(1)
    expect(JSON.parse(refusals[0] ?? '')).toMatchObject({ uid: ownUid, said: 'no\nthanks 0' })
    stream.cancel()
  })

  test('is told in the log which names mean nothing, and what to do', async () => {
    const { log, lines } = memoryLog()
    const { path, updates } = await startEndpoint({ sds, log })
    updates.set([entryOf('/web', [mine])])
    const stream = dial(path).StreamSecrets()
    stream.write({ resource_names: ['rootca'] })
    await nextMessage(stream)
    await until(() => lines().some((line) => line.includes('rootca')))
    stream.cancel()
  })
})

describe('DeltaSecrets', () => {
  test('sends what is new and tells what is gone', async () => {
    const { path, updates } = await startEndpoint({ sds })
    const web = entryOf('/web', [mine])
    updates.set([web])
    const stream = dial(path).DeltaSecrets()
    stream.write({ resource_names_subscribe: [webId, dbId] })
    const first = await nextMessage(stream)
    expect([namesOfDelta(first), first.removed_resources]).toEqual([[webId], [dbId]])
    updates.set([web, entryOf('/db', [mine])])
    expect(namesOfDelta(await nextMessage(stream))).toEqual([dbId])
    updates.set([web])
    expect((await nextMessage(stream)).removed_resources).toEqual([dbId])
    stream.write({ resource_names_subscribe: ['ALL'], resource_names_unsubscribe: [webId] })
    expect(namesOfDelta(await nextMessage(stream))).toEqual(['ALL'])
    updates.set([])
    expect((await nextMessage(stream)).removed_resources.toSorted()).toEqual(['ALL'])
    expect(await reasonOf(nextMessage(stream))).toBe('no-identity')
  })
})

describe('FetchSecrets', () => {
  test('answers once; what is not there spoils nothing but itself', async () => {
    const { path, updates } = await startEndpoint({ sds })
    updates.set([entryOf('/web', [mine])])
    const client = dial(path)
    const fetch = (...names: string[]): Promise<DiscoveryResponse> =>
      answer((done) => client.FetchSecrets({ resource_names: names }, done))
    expect(namesOf(await fetch('default', dbId))).toEqual(['default'])
    expect(namesOf(await fetch())).toEqual([webId, 'spiffe://example.org'])
    expect(await reasonOf(fetch(dbId))).toBe('sds-unknown-name')
    updates.set([])
    expect(await reasonOf(fetch('default'))).toBe('no-identity')
  })
})

describe('the form of bundles', () => {
  const formOf = async (
    path: string,
    node?: { metadata: { fields: Record<string, { bool_value: boolean }> } },
  ): Promise<string[]> => {
    const stream: ClientDuplexStream<object, DiscoveryResponse> = dial(path).StreamSecrets()
    stream.write({ resource_names: ['ROOTCA'], ...(node === undefined ? {} : { node }) })
    const { resources } = await nextMessage(stream)
    stream.cancel()
    return Object.keys(readSecret(resources[0]?.value ?? Buffer.alloc(0)))
  }

  test('is for the SPIFFE validator, but plain where the config or the node itself says so', async () => {
    const { path, updates } = await startEndpoint({ sds })
    updates.set([entryOf('/web', [mine])])
    expect(await formOf(path)).toContain('trustDomains')
    const fields = { disable_spiffe_cert_validation: { bool_value: true } }
    expect(await formOf(path, { metadata: { fields } })).toContain('trustedCa')
    const plain = await startEndpoint({ sds: { ...sds, disableSpiffeCertValidation: true } })
    plain.updates.set([entryOf('/web', [mine])])
    expect(await formOf(plain.path)).toContain('trustedCa')
  })
})

describe('who must not get through', () => {
  test('without SDS in the config nobody is served', async () => {
    const { path, updates } = await startEndpoint()
    updates.set([entryOf('/web', [mine])])
    const stream = dial(path).StreamSecrets()
    stream.write({ resource_names: ['default'] })
    await expect(nextMessage(stream)).rejects.toMatchObject({ code: 'unimplemented' })
  })

  test.each(['origin', 'referer', 'cookie', 'sec-fetch-site', 'sec-fetch-mode'])(
    'a call that a browser makes for a page, known by %s, is refused before it is read',
    async (name) => {
      const { path, updates } = await startEndpoint({ sds })
      updates.set([entryOf('/web', [mine])])
      const metadata = new Metadata()
      metadata.set(name, 'x')
      const stream = dial(path).StreamSecrets(metadata)
      stream.write({ resource_names: ['default'] })
      expect(await reasonOf(nextMessage(stream))).toBe('browser-request')
    },
  )

  test('the Workload API beside it asks for its header as before', async () => {
    const { path, updates } = await startEndpoint({ sds })
    updates.set([entryOf('/web', [mine])])
    const Api = makeGenericClientConstructor(serviceDefinition('SpiffeWorkloadAPI'), 'api')
    const api = new Api(`unix:${path}`, credentials.createInsecure())
    onTestFinished(() => api.close())
    const call = api['FetchX509SVID']
    if (call === undefined) throw new Error('no such call')
    expect(await reasonOf(nextMessage(call.call(api, {})))).toBe('security-header')
  })

  test('T12 a request above the bound is refused; an Envoy of today is well below it', async () => {
    const { path, updates } = await startEndpoint({ sds })
    updates.set([entryOf('/web', [mine])])
    const withNode = (bytes: number) => ({
      resource_names: ['default'],
      error_detail: { code: 0, message: 'n'.repeat(bytes) },
    })
    const client = dial(path)
    const good = client.StreamSecrets()
    good.write(withNode(100_000))
    expect(namesOf(await nextMessage(good))).toEqual(['default'])
    const large = client.StreamSecrets()
    large.write(withNode(140_000))
    await expect(nextMessage(large)).rejects.toMatchObject({ code: 'exhausted' })
    good.cancel()
  })

  test('T13 streams count with all other calls of their user', async () => {
    const { path, updates, endpoint } = await startEndpoint({ sds, limits: { streamsPerUid: 3 } })
    updates.set([entryOf('/web', [mine])])
    const client = dial(path)
    const open = () => {
      const stream = client.StreamSecrets()
      stream.write({ resource_names: ['default'] })
      return nextMessage(stream)
    }
    await Promise.all([open(), open(), open()])
    expect(await reasonOf(open())).toBe('too-many-streams')
    expect(endpoint.stats().streams).toBe(3)
  })
})

const why = whyNoOtherUsers()
describe.skipIf(why !== undefined)(`other users${why === undefined ? '' : ` (${why})`}`, () => {
  const alice = 41_011
  const bob = 41_012
  const nobody = 41_013

  test.each(['StreamSecrets', 'DeltaSecrets'])(
    'T1 %s gives each user its own alone, whatever it asks for',
    async (rpc) => {
      const { path, updates } = await startEndpoint({ sds })
      updates.set([entryOf('/web', [`unix:uid:${alice}`]), entryOf('/db', [`unix:uid:${bob}`])])
      const [one, two, none] = await Promise.all([
        startChild(path, alice),
        startChild(path, bob),
        startChild(path, nobody),
      ])
      const question = `secrets ${rpc} ${webId} ${dbId} default ROOTCA`
      expect(await one.ask(question)).toEqual({
        secrets: [webId, 'default', 'ROOTCA'],
        missing: [dbId],
      })
      expect(await two.ask(question)).toEqual({
        secrets: [dbId, 'default', 'ROOTCA'],
        missing: [webId],
      })
      expect(await none.ask(question)).toEqual({ code: 7 })
    },
  )

  test.each(['StreamSecrets', 'DeltaSecrets'])(
    'T3 a process that changes its user gets nothing more on its %s',
    async (rpc) => {
      const { path, updates } = await startEndpoint({ sds })
      updates.set([entryOf('/root', ['unix:uid:0'])])
      const child = await startChild(path, 0)
      const rootId = 'spiffe://example.org/root'
      expect(await child.ask(`secrets ${rpc} ${rootId} ALL`)).toEqual({
        secrets: [rootId, 'ALL'],
        missing: [],
      })
      expect(await child.ask(`setuid ${bob}`)).toEqual({ uid: bob })
      updates.federated = new Map([[friend, signing(friend).bundle]])
      updates.push()
      expect(await child.heard()).toEqual({ code: 14 })
    },
  )
})

function memoryLog(): { readonly log: Log; readonly lines: () => string[] } {
  const stream = new PassThrough()
  let text = ''
  stream.on('data', (chunk) => {
    text += String(chunk)
  })
  return {
    log: createLog({ level: 'info', component: 'test', stream }),
    lines: () => text.split('\n').filter((line) => line !== ''),
  }
}
