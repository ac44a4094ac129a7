import { mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js'
import { beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { serviceDefinition } from '../../../src/rpc/services.ts'
import { TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { X509Source } from '../../../src/workload-api/x509-source.ts'
import { type Made, reasonOf, reasonOfAsync, root } from '../../support/x509-fixtures.ts'
import { identity, type TestIdentity } from '../mtls/identities.ts'

const here = TrustDomain.parse('here.test')
const there = TrustDomain.parse('there.test')
let ca: Made
let first: TestIdentity
let second: TestIdentity

beforeAll(async () => {
  ca = await root('ca')
  first = await identity(ca, 'spiffe://here.test/one', [])
  second = await identity(ca, 'spiffe://here.test/two', [])
})

function wire(...svids: readonly { readonly identity: TestIdentity; readonly hint?: string }[]) {
  return {
    svids: svids.map(({ identity: one, hint = '' }) => ({
      spiffe_id: 'spiffe://here.test/…',
      x509_svid: Buffer.concat(one.chain),
      x509_svid_key: one.privateKey,
      bundle: ca.der,
      hint,
    })),
    federated_bundles: {},
  }
}

type Call = ServerWritableStream<unknown, unknown>

/** An agent that says what a test tells it to; `calls` are its streams, oldest first. */
async function startAgent(answer: (call: Call) => void) {
  const folder = mkdtempSync(join(tmpdir(), 'cs-source-'))
  const path = join(folder, 'api.sock')
  const calls: Call[] = []
  const server = new Server()
  const unused = (): void => {}
  server.addService(serviceDefinition('SpiffeWorkloadAPI') as never, {
    FetchX509SVID(call: Call) {
      calls.push(call)
      answer(call)
    },
    FetchX509Bundles: unused,
    FetchJWTSVID: unused,
    FetchJWTBundles: unused,
    ValidateJWTSVID: unused,
    FetchWITSVID: unused,
    FetchWITBundles: unused,
  })
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix://${path}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    ),
  )
  onTestFinished(() => {
    server.forceShutdown()
    rmSync(folder, { recursive: true, force: true })
  })
  return { endpoint: { kind: 'unix', path } as const, calls }
}

async function open(endpoint: { readonly kind: 'unix'; readonly path: string }) {
  const source = await X509Source.open({
    endpoint,
    signal: AbortSignal.timeout(5000),
    random: () => 0,
  })
  onTestFinished(() => source.close())
  return source
}

function refuse(call: Call, code: number): void {
  call.emit('error', { code, details: 'no' })
}

test('WLA-10 each update replaces all of the one before, and a listener is told', async () => {
  const { endpoint, calls } = await startAgent((call) => {
    call.write({
      ...wire({ identity: first }),
      federated_bundles: { 'spiffe://there.test': ca.der },
    })
  })
  const source = await open(endpoint)
  expect(source.svid().spiffeId).toBe('spiffe://here.test/one')
  expect(source.bundleOf(there)?.x509Authorities).toHaveLength(1)
  const told = new Promise<void>((resolve) => source.onUpdate(resolve))
  calls[0]?.write(wire({ identity: second }))
  await told
  expect(source.svid().spiffeId).toBe('spiffe://here.test/two')
  expect(source.bundleOf(there)).toBeUndefined()
})

test('WLA-70 WLA-26 the first SVID is the default, and of one hint the first counts', async () => {
  const { endpoint } = await startAgent((call) => {
    call.write(wire({ identity: first, hint: 'a' }, { identity: second, hint: 'a' }))
  })
  const source = await open(endpoint)
  expect(source.context().svids.map((one) => one.spiffeId)).toEqual(['spiffe://here.test/one'])
})

test('WLA-13 a message that lacks something is left out, and the one before it stays', async () => {
  const { endpoint, calls } = await startAgent((call) => call.write(wire({ identity: first })))
  const source = await open(endpoint)
  calls[0]?.write({ svids: [], federated_bundles: {} })
  const [good] = wire({ identity: second }).svids
  calls[0]?.write({ svids: [{ ...good, bundle: Buffer.alloc(0) }], federated_bundles: {} })
  calls[0]?.write({ svids: [{ ...good, x509_svid_key: first.privateKey }], federated_bundles: {} })
  const told = new Promise<void>((resolve) => source.onUpdate(resolve))
  calls[0]?.write(wire({ identity: second }))
  await told
  expect(source.svid().spiffeId).toBe('spiffe://here.test/two')
  expect(calls).toHaveLength(1)
})

test('WLA-06 a stream that ends, well or not, is taken up again and what it said is kept', async () => {
  const { endpoint, calls } = await startAgent((call) => call.write(wire({ identity: first })))
  const source = await open(endpoint)
  calls[0]?.end()
  await vi.waitUntil(() => calls.length === 2)
  if (calls[1] !== undefined) refuse(calls[1], status.UNAVAILABLE)
  await vi.waitUntil(() => calls.length === 3)
  expect(source.svid().spiffeId).toBe('spiffe://here.test/one')
})

test('WLA-28 an identity that is taken away is used no more, until there is one again', async () => {
  let denied = false
  const { endpoint, calls } = await startAgent((call) =>
    denied ? refuse(call, status.PERMISSION_DENIED) : call.write(wire({ identity: first })),
  )
  const source = await open(endpoint)
  denied = true
  if (calls[0] !== undefined) refuse(calls[0], status.PERMISSION_DENIED)
  await vi.waitUntil(() => reasonOf(() => source.svid()) === 'x509-source-withdrawn')
  expect(source.bundleOf(here)).toBeUndefined()
  denied = false
  await vi.waitUntil(() => reasonOf(() => source.svid()) === 'ok')
})

test('WLE-15 INVALID_ARGUMENT is final: the source does not open and does not ask again', async () => {
  const { endpoint, calls } = await startAgent((call) => refuse(call, status.INVALID_ARGUMENT))
  expect(await reasonOfAsync(() => open(endpoint))).toBe('rpc-invalid')
  expect(calls).toHaveLength(1)
})

test('WLE-16 who waits for a socket finds it when it comes, and who gives up waiting is told so', async () => {
  const { endpoint } = await startAgent((call) => call.write(wire({ identity: first })))
  const later = { kind: 'unix', path: `${endpoint.path}.later` } as const
  const impatient = X509Source.open({ endpoint: later, signal: AbortSignal.timeout(50) })
  await expect(impatient).rejects.toThrow('timeout')
  const waiting = open(later)
  symlinkSync(endpoint.path, later.path)
  expect((await waiting).svid().spiffeId).toBe('spiffe://here.test/one')
})

test('a closed source has nothing left', async () => {
  const { endpoint } = await startAgent((call) => call.write(wire({ identity: first })))
  const source = await open(endpoint)
  await source.close()
  expect(reasonOf(() => source.svid())).toBe('x509-source-closed')
  expect(source.bundleOf(here)).toBeUndefined()
})
