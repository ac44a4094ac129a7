import { once } from 'node:events'
import { createServer } from 'node:net'
import { status } from '@grpc/grpc-js'
import { beforeAll, expect, onTestFinished, test } from 'vitest'
import type { Made } from '../support/x509-fixtures.ts'
import { authority, svidMessage, workload } from './identities.ts'
import { type Harness, startBoth, startHarness } from './running-harness.ts'
import { type Answer, ScriptedWorkloadApi } from './workload-api.ts'

// EP of the public suite's catalogue: how the library finds the Workload API, and what it asks again.

const me = 'spiffe://example.org/me'
let ca: Made
let svid: Answer

beforeAll(async () => {
  ca = await authority('ours')
  svid = { say: { svids: [svidMessage(me, await workload(ca, me), [ca])], federated_bundles: {} } }
})

function harnessAt(endpoint: string): Harness {
  const harness = startHarness(endpoint)
  onTestFinished(() => harness.stop())
  return harness
}

async function apiOn(transport: 'unix' | 'tcp'): Promise<ScriptedWorkloadApi> {
  const api = new ScriptedWorkloadApi(transport)
  onTestFinished(() => api.server.close())
  api.set('FetchX509SVID', svid)
  await api.server.listen()
  return api
}

test('EP-1 EP-2 SPIFFE_ENDPOINT_SOCKET is all that the library needs, and each call has the security header', async () => {
  const { api, harness, stop } = await startBoth()
  onTestFinished(stop)
  api.set('FetchX509SVID', svid)
  const bundles = { 'spiffe://example.org': Buffer.from('{"keys":[]}') }
  api.set('FetchJWTBundles', { say: { bundles } })
  await harness.ready
  await harness.ask('POST /v1/jwt/fetch', { audience: ['conformance'], spiffe_id: '' })
  await harness.ask('POST /v1/jwt/validate', { token: 'a.b.c', audience: 'conformance' })
  const asked = new Set(api.calls.map(({ rpc }) => rpc))
  expect([...asked].sort()).toEqual(['FetchJWTBundles', 'FetchJWTSVID', 'FetchX509SVID'])
  expect(api.calls.filter(({ header }) => header !== 'true')).toEqual([])
})

test('EP-3 a tcp endpoint will do', async () => {
  const api = await apiOn('tcp')
  const harness = harnessAt(api.server.endpoint)
  await harness.ready
  expect(await harness.shown()).toBe(me)
})

test('EP-4 an endpoint with an authority, and one of tcp with a path, is none, whoever listens there', async () => {
  const [unix, tcp] = [await apiOn('unix'), await apiOn('tcp')]
  const forms = [
    unix.server.endpoint.replace('unix://', 'unix://host'),
    `${tcp.server.endpoint}/path`,
  ]
  await Promise.all(
    forms.map(async (form) => {
      const harness = harnessAt(form)
      await expect(harness.ready).rejects.toThrow(/endpoint-/)
      expect(await harness.ended).not.toBe(0)
    }),
  )
  expect([...unix.calls, ...tcp.calls]).toEqual([])
})

test.each([
  ['EP-5', 'UNAVAILABLE', status.UNAVAILABLE],
  ['EP-6', 'PERMISSION_DENIED', status.PERMISSION_DENIED],
])('%s after %s the library asks again, and waits in between', async (_, __, code) => {
  const { api, harness, stop } = await startBoth()
  onTestFinished(stop)
  api.set('FetchX509SVID', svid)
  api.first('FetchX509SVID', { end: code }, { end: code }, { end: code })
  await harness.ready
  const calls = api.callsOf('FetchX509SVID')
  expect(calls).toHaveLength(4)
  expect((calls[3]?.atMs ?? 0) - (calls[0]?.atMs ?? 0)).toBeGreaterThan(150)
})

test('EP-7 after INVALID_ARGUMENT it does not ask again', async () => {
  const { api, harness, stop } = await startBoth()
  onTestFinished(stop)
  api.set('FetchX509SVID', { end: status.INVALID_ARGUMENT })
  await expect(harness.ready).rejects.toThrow()
  expect(await harness.ended).not.toBe(0)
  expect(api.callsOf('FetchX509SVID')).toHaveLength(1)
})

test('EP-8 it waits for an endpoint that is not there yet', async () => {
  const api = await apiOn('unix')
  await api.server.stop()
  const path = api.server.endpoint.replace('unix://', '')
  const knocked = Promise.withResolvers<void>()
  const deaf = createServer((socket) => {
    socket.on('error', () => {})
    socket.destroy()
    knocked.resolve()
  })
  await once(deaf.listen(path), 'listening')
  const harness = harnessAt(api.server.endpoint)
  await knocked.promise
  await once(deaf.close(), 'close')
  await api.server.listen()
  await harness.ready
  expect(await harness.shown()).toBe(me)
})
