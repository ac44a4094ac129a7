import { status } from '@grpc/grpc-js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { verifyChain } from '../../src/x509/chain.ts'
import { issued, type Made } from '../support/x509-fixtures.ts'
import { authority, fromNow, type Identity, identity, svidMessage, workload } from './identities.ts'
import { startBoth, until } from './running-harness.ts'

// WA, XS and HX of the public suite's catalogue: what an update does, a good one and a bad one. A bad one is followed by a
// good one; once that is in use, the bad one has been read too, and must not have been seen meanwhile. HX-1 to HX-3, which
// are optional, are not done: an SVID that has run out, or that its bundle no longer vouches for, may come with the very
// update that takes an authority away, and to leave that out would be to trust the authority on.

let both: Awaited<ReturnType<typeof startBoth>>
let ca: Made
let last = 0

/** A new ID each time, so that one update can be told from the other. */
function newId(): string {
  last += 1
  return `spiffe://example.org/me/${last}`
}

async function goodSvid(id: string): Promise<Record<string, unknown>> {
  return svidMessage(id, await workload(ca, id), [ca])
}

function say(...svids: readonly Record<string, unknown>[]): void {
  both.api.set('FetchX509SVID', { say: { svids, federated_bundles: {} } })
}

/** Waits until `id` is shown; answers whatever else was shown before. */
async function shownUntil(id: string): Promise<ReadonlySet<string | undefined>> {
  const before = new Set<string | undefined>()
  await until(async () => {
    const shown = await both.harness.shown()
    if (shown !== id) before.add(shown)
    return shown === id
  })
  return before
}

async function inUse(): Promise<string> {
  const id = newId()
  say(await goodSvid(id))
  await both.harness.ready
  await shownUntil(id)
  return id
}

async function leavesOut(bad: readonly Record<string, unknown>[]): Promise<void> {
  const before = await inUse()
  const calls = both.api.callsOf('FetchX509SVID').length
  const updates = await updatesTaken()
  say(...bad)
  const barrier = newId()
  say(await goodSvid(barrier))
  expect([...(await shownUntil(barrier))].filter((shown) => shown !== before)).toEqual([])
  expect(both.api.callsOf('FetchX509SVID')).toHaveLength(calls)
  // The bad one may have been in use for a moment that no handshake hit.
  expect(await updatesTaken()).toBe(updates + 1)
}

async function updatesTaken(): Promise<number> {
  return Number((await both.harness.ask('GET /v1/info')).body['updates'])
}

beforeAll(async () => {
  both = await startBoth()
  ca = await authority('ours')
})

afterAll(() => both.stop())

test('XS-1 XS-3 the SVID that the Workload API gave is shown, and the next one after it', async () => {
  const first = await inUse()
  expect(await both.harness.shown()).toBe(first)
  const second = await inUse()
  expect(await both.harness.shown()).toBe(second)
})

test('XS-2 the whole chain is shown, leaf first', async () => {
  const intermediate = await issued('intermediate', ca, { ca: true, ...fromNow() })
  const id = newId()
  const below = await identity(intermediate, { uris: [id] }, [intermediate])
  say(svidMessage(id, below, [ca]))
  await shownUntil(id)
  const chain = await both.harness.shownChain()
  const [leaf, ...intermediates] = chain.map(parseCertificate)
  if (leaf === undefined) throw new Error('nothing is shown')
  expect(leaf.uris).toEqual([id])
  const roots = [ca.certificate]
  expect(verifyChain({ leaf, intermediates, roots, now: new Date() }).at(-1)).toBe(ca.certificate)
})

test('WA-3 the first SVID of several is the default, whatever it was before', async () => {
  const [first, second] = [newId(), newId()]
  const [one, other] = [await goodSvid(first), await goodSvid(second)]
  say(one, other)
  expect(await shownUntil(first)).not.toContain(second)
  say(other, one)
  await shownUntil(second)
})

test.each(['spiffe_id', 'x509_svid', 'x509_svid_key', 'bundle'])(
  'WA-2 an update that lacks %s is left out, and what was before is shown on',
  async (field) => {
    const { [field]: _, ...rest } = await goodSvid(newId())
    await leavesOut([rest])
  },
)

test('WA-2 an update without an SVID is left out', () => leavesOut([]))

test.each<[string, (id: string) => Promise<Identity>]>([
  ['HX-4 a leaf that is a CA', (id) => identity(ca, { uris: [id], ca: true })],
  ['HX-5 a leaf that may sign', (id) => identity(ca, { uris: [id], usage: ['keyCertSign'] })],
  ['HX-6 two URIs', (id) => identity(ca, { uris: [id, `${id}/2`] })],
  ['HX-7 a URI of another scheme', () => identity(ca, { uris: ['https://example.org/me'] })],
  [
    'HX-8 another one’s key',
    async (id) => ({
      ...(await workload(ca, id)),
      privateKey: (await workload(ca, id)).privateKey,
    }),
  ],
  ['HX-9 an ID that is not the one it came under', (id) => workload(ca, `${id}/2`)],
])('%s: such an update is left out', async (_, make) => {
  const id = newId()
  await leavesOut([svidMessage(id, await make(id), [ca])])
})

test.each([
  ['UNAVAILABLE', status.UNAVAILABLE],
  ['OK', status.OK],
  ['UNKNOWN', status.UNKNOWN],
])(
  'WA-1 a stream that ends with %s is taken up again, and what it said is shown until then',
  async (_, code) => {
    const before = await inUse()
    const calls = both.api.callsOf('FetchX509SVID').length
    both.api.first('FetchX509SVID', { end: status.UNAVAILABLE })
    both.api.hangUp('FetchX509SVID', code)
    await until(async () => {
      expect(await both.harness.shown()).toBe(before)
      return both.api.callsOf('FetchX509SVID').length >= calls + 2
    })
    await inUse()
  },
)

test('WA-4 after PERMISSION_DENIED nothing is shown, and nobody let in, until there is an SVID again', async () => {
  await inUse()
  const peer = await workload(ca, 'spiffe://example.org/peer')
  expect(await both.harness.admits(peer)).toBe('spiffe://example.org/peer')
  both.api.set('FetchX509SVID', { end: status.PERMISSION_DENIED })
  await until(async () => (await both.harness.shown()) === undefined)
  expect(await both.harness.admits(peer)).toBeUndefined()
  await inUse()
  expect(await both.harness.admits(peer)).toBe('spiffe://example.org/peer')
})
