import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type ClientReadableStream, credentials, makeGenericClientConstructor } from '@grpc/grpc-js'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { serveWorkloadApi } from '../../../../agent/workload-endpoint/endpoint.ts'
import { CountersignError } from '../../../../src/errors.ts'
import type { HealthClient } from '../../../../src/rpc/gen/grpc/health/v1/Health.ts'
import type { X509SVIDResponse } from '../../../../src/rpc/gen/X509SVIDResponse.ts'
import { serviceDefinition } from '../../../../src/rpc/services.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import {
  authority,
  callBytes,
  flag,
  frame,
  headerBlock,
  message,
  prefaceBytes,
  settings,
} from '../../../support/http2-frames.ts'
import { PROMPT_MS } from '../../../support/prompt.ts'
import {
  answer,
  dial,
  header,
  nextMessage,
  ownUid,
  reasonOf,
  startEndpoint,
  temporaryFolder,
  until,
} from './fixture.ts'
import { entryOf, HandUpdates, signing, trustDomain } from './identities.ts'
import { rawClient } from './raw-http2.ts'

const mine = `unix:uid:${ownUid}`
type Stream = ClientReadableStream<X509SVIDResponse>

function reasonAtEnd(stream: Stream): Promise<string> {
  return reasonOf(nextMessage(stream))
}

describe('closing', () => {
  test('ends streams as unavailable, removes the socket and leaves nothing open', async () => {
    const { path, updates, endpoint } = await startEndpoint()
    updates.set([entryOf('/web', [mine])])
    const streams = Array.from({ length: 5 }, () => dial(path).FetchX509SVID({}, header))
    await Promise.all(streams.map((stream) => nextMessage(stream)))
    const ends = streams.map((stream) => nextMessage(stream).catch((error) => error.code))
    const begun = performance.now()
    await endpoint.close()
    expect(performance.now() - begun).toBeLessThan(PROMPT_MS)
    expect(await Promise.all(ends)).toEqual(streams.map(() => 'unavailable'))
    expect(existsSync(path)).toBe(false)
    await until(() => updates.readers === 0)
    expect(endpoint.stats()).toMatchObject({ connections: 0, streams: 0, queued: 0 })
  })

  test('comes with the signal', async () => {
    const path = `${temporaryFolder()}/s.sock`
    const stop = new AbortController()
    const home = signing(trustDomain)
    const listening = Promise.withResolvers<void>()
    const served = serveWorkloadApi(
      path,
      {
        updates: new HandUpdates(home.bundle),
        jwt: { fetch: () => Promise.reject(new Error('unused')) },
        bundles: { bundleOf: () => home.bundle },
        trustDomain,
        unavailable: () => undefined,
        attestors: [],
        clock: systemClock,
        log: silentLog,
        onListening: () => listening.resolve(),
      },
      stop.signal,
    )
    await listening.promise
    expect(existsSync(path)).toBe(true)
    stop.abort()
    await served
    expect(existsSync(path)).toBe(false)
  })
})

test('a socket that other users cannot reach is told of, with what to do', async () => {
  const warn = vi.fn()
  const log = { ...silentLog, warn }
  const { path } = await startEndpoint({ log })
  expect(warn).not.toHaveBeenCalled()
  const folder = dirname(path)
  mkdirSync(join(folder, 'data', 'public'), { recursive: true })
  chmodSync(join(folder, 'data'), 0o700)
  await startEndpoint({ log, socketPath: join(folder, 'data', 'public', 's.sock') })
  expect(warn).toHaveBeenCalledExactlyOnceWith(expect.stringContaining('other users'), {
    folder: join(folder, 'data'),
    fix: expect.stringContaining('/run/countersign-agent/api.sock'),
  })
})

describe('health', () => {
  const Client = makeGenericClientConstructor(serviceDefinition('grpc.health.v1.Health'), 'Health')

  test('needs no header and says whether identities can be served', async () => {
    let why: CountersignError | undefined
    const { path } = await startEndpoint({ unavailable: () => why })
    const client = new Client(
      `unix:${path}`,
      credentials.createInsecure(),
    ) as unknown as HealthClient
    onTestFinished(() => client.close())
    const check = (service: string): Promise<unknown> =>
      answer((done) => client.Check({ service }, done))
    expect(await check('')).toEqual({ status: 'SERVING' })
    expect(await check('SpiffeWorkloadAPI')).toEqual({ status: 'SERVING' })
    expect(await reasonOf(check('other'))).toBe('health-service-unknown')
    const watch = client.Watch({ service: '' })
    expect(await nextMessage(watch)).toEqual({ status: 'SERVING' })
    why = new CountersignError('unavailable', 'no', { reason: 'no' })
    expect(await check('')).toEqual({ status: 'NOT_SERVING' })
    expect(await nextMessage(watch)).toEqual({ status: 'NOT_SERVING' })
    expect(await answer((done) => client.List({}, done))).toEqual({
      statuses: {
        '': { status: 'NOT_SERVING' },
        SpiffeWorkloadAPI: { status: 'NOT_SERVING' },
      },
    })
    watch.cancel()
  })
})

describe('before the first sync', () => {
  test('there is nothing to serve tokens from', async () => {
    const { path, updates } = await startEndpoint()
    updates.ready = false
    const api = dial(path)
    expect(
      await reasonOf(answer((done) => api.FetchJWTSVID({ audience: ['a'] }, header, done))),
    ).toBe('not-synced')
  })
})

describe('many streams of one process', () => {
  const open = async (paths: readonly ReturnType<typeof dial>[], each: number): Promise<Stream[]> =>
    paths.flatMap((api) => Array.from({ length: each }, () => api.FetchX509SVID({}, header)))

  for (const [name, connections] of [
    ['one connection', 1],
    ['250 connections', 250],
  ] as const) {
    test(`over ${name}: each within the share is answered, each beyond it refused at once`, async () => {
      const share = 500
      const { path, updates, endpoint } = await startEndpoint({ limits: { streamsPerUid: share } })
      updates.set([entryOf('/web', [mine])])
      const before = readdirSync('/proc/self/fd').length
      const clients = Array.from({ length: connections }, () => dial(path))
      const half = share / 2 / connections
      const first = await open(clients, half)
      const second = await open(clients, half)
      const messages = await Promise.all([...first, ...second].map((stream) => nextMessage(stream)))
      expect(messages.every((message) => message.svids.length === 1)).toBe(true)
      expect(endpoint.stats().streamsByUid.get(ownUid)).toBe(share)
      const begun = performance.now()
      const beyond = await open(clients.slice(0, 10), 5)
      const reasons = await Promise.all(beyond.map(reasonAtEnd))
      expect(new Set(reasons)).toEqual(new Set(['too-many-streams']))
      expect(performance.now() - begun).toBeLessThan(PROMPT_MS)

      updates.set([entryOf('/web2', [mine])])
      const pushed = await Promise.all([...first, ...second].map((stream) => nextMessage(stream)))
      expect(new Set(pushed.map((message) => message.svids[0]?.spiffe_id)).size).toBe(1)

      for (const client of clients) client.close()
      for (const stream of [...first, ...second]) stream.cancel()
      await until(() => endpoint.stats().connections === 0)
      expect(endpoint.stats()).toMatchObject({ streams: 0, queued: 0, users: 0 })
      expect(updates.readers).toBe(0)
      await until(() => readdirSync('/proc/self/fd').length <= before + 1)
    })
  }

  test('without an identity each is told so', async () => {
    const { path, endpoint } = await startEndpoint()
    const streams = await open([dial(path), dial(path)], 250)
    expect(new Set(await Promise.all(streams.map(reasonAtEnd)))).toEqual(new Set(['no-identity']))
    await until(() => endpoint.stats().streams === 0)
  })

  test.for([1, 50])(
    'without an identity each beyond the share is refused at once, over %i connections',
    async (connections) => {
      const share = 100
      const codes: string[] = []
      const { path, endpoint } = await startEndpoint({
        limits: { streamsPerUid: share },
        observe: (_method, code) => codes.push(code),
      })
      const block = headerBlock('/SpiffeWorkloadAPI/FetchX509SVID', authority('localhost', 0x00))
      const ids = Array.from({ length: (share + 50) / connections }, (_, at) => 1 + 2 * at)
      const asked = ids.map((id) => frame(1, flag.endHeaders, id, block))
      const clients = Array.from({ length: connections }, () => rawClient(path))
      for (const { socket } of clients) {
        socket.write(Buffer.concat([prefaceBytes, settings(), ...asked]))
      }
      const endedIn = ({ frames }: (typeof clients)[number]): Set<number> =>
        new Set(
          frames.flatMap(({ type, flags, streamId }) =>
            type === 1 && (flags & flag.endStream) !== 0 ? [streamId] : [],
          ),
        )
      // At once: of none has the request come yet.
      await until(() => clients.reduce((sum, client) => sum + endedIn(client).size, 0) === 50)
      expect(codes).toEqual(Array.from({ length: 50 }, () => 'exhausted'))
      expect(endpoint.stats()).toMatchObject({ streams: share, refusedStreams: 50 })
      for (const client of clients) {
        const ended = endedIn(client)
        const open = ids.filter((id) => !ended.has(id))
        const requests = open.map((id) => frame(0, flag.endStream, id, message(Buffer.alloc(0))))
        client.socket.write(Buffer.concat(requests))
      }
      await until(() => endpoint.stats().streams === 0)
      expect(codes.slice(50)).toEqual(Array.from({ length: share }, () => 'forbidden'))
    },
  )

  test('beyond the share of connections each is told so; one that was told gives way before one that has not called', async () => {
    const { path, endpoint } = await startEndpoint({ limits: { descriptors: 20 } })
    // 2 are for files in /proc; of 18 connections one user gets 9, and 12 more are told that they are too many.
    const open = async (count: number) => {
      const clients = Array.from({ length: count }, () => rawClient(path))
      const { refusedConnections } = endpoint.stats()
      await until(() => clients.every(({ socket }) => !socket.connecting))
      return { clients, refusedBefore: refusedConnections }
    }
    await open(9)
    await until(() => endpoint.stats().connections === 9)
    const waiting = (await open(4)).clients
    await until(() => endpoint.stats().refusedConnections === 4)
    const told = (await open(8)).clients
    const call = callBytes('/SpiffeWorkloadAPI/FetchX509SVID')
    for (const { socket } of told) socket.write(call)
    const answers = () =>
      told.map(({ frames }) =>
        frames.some(({ payload }) => payload.includes('grpc-status') && payload.includes('8')),
      )
    await until(() => answers().every(Boolean))
    expect([...waiting, ...told].some(({ closed }) => closed())).toBe(false)
    await open(5)
    await until(() => told.filter(({ closed }) => closed()).length === 5)
    expect(waiting.some(({ closed }) => closed())).toBe(false)
    await open(4)
    await until(() => told.every(({ closed }) => closed()) && waiting[0]?.closed() === true)
    expect(waiting.slice(1).some(({ closed }) => closed())).toBe(false)
  })

  test('a slow reader holds one pending message, not a queue', async () => {
    const { path, updates } = await startEndpoint()
    updates.set([entryOf('/v0', [mine])])
    const stream = dial(path).FetchX509SVID({}, header)
    await nextMessage(stream)
    // Each is as large as flow control lets through only a few of.
    const many = Array.from({ length: 300 }, () => entryOf(`/${'x'.repeat(1000)}`, [mine]))
    for (let version = 1; version <= 40; version += 1) {
      updates.set([entryOf(`/v${version}`, [mine]), ...many])
      await new Promise((resolve) => setImmediate(resolve))
    }
    const seen: string[] = []
    while (seen.at(-1) !== 'spiffe://example.org/v40') {
      seen.push((await nextMessage(stream)).svids[0]?.spiffe_id ?? '')
    }
    expect(seen.length).toBeLessThan(40)
  })
})
