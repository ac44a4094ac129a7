import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { alternativeNames, issued, type Made, type Shape } from '../support/x509-fixtures.ts'

import {
  authority,
  bundleMessage,
  fromNow,
  type Identity,
  identity,
  svidMessage,
  workload,
} from './identities.ts'
import { startBoth, until } from './running-harness.ts'

// XV and XF of the public suite's catalogue: whom the library lets in as a server, and trusts as a client. Before each
// refusal somebody like it is let in.

const me = 'spiffe://example.org/me'
const peer = 'spiffe://example.org/peer'
const partner = 'spiffe://fed.example/peer'
const roles = ['server', 'client'] as const
type Role = (typeof roles)[number]

let both: Awaited<ReturnType<typeof startBoth>>
let ca: Made
let foreignCa: Made
let intermediate: Made
let good: Identity

/** Says who we are, and whom else to trust; resolves once the library goes by it. */
async function push(name: string, bundle: readonly Made[], federated: object): Promise<void> {
  const svids = [svidMessage(name, await workload(ca, name), bundle)]
  both.api.set('FetchX509SVID', { say: { svids, federated_bundles: federated } })
  await both.harness.ready
  await until(async () => (await both.harness.shown()) === name)
}

beforeAll(async () => {
  both = await startBoth()
  ca = await authority('ours')
  foreignCa = await authority('theirs')
  intermediate = await issued('intermediate', ca, { ca: true, ...fromNow() })
  good = await workload(ca, peer)
  await push(me, [ca], { 'spiffe://fed.example': bundleMessage([foreignCa]) })
})

afterAll(() => both.stop())

function seen(role: Role, one: Identity): Promise<string | undefined> {
  return role === 'server' ? both.harness.admits(one) : both.harness.trusts(one)
}

async function refusesOnly(role: Role, bad: Identity): Promise<void> {
  expect(await seen(role, good)).toBe(peer)
  expect(await seen(role, bad)).toBeUndefined()
}

describe.each(roles)('as a %s', (role) => {
  test('XV-1 a good SVID is accepted', async () => {
    expect(await seen(role, good)).toBe(peer)
  })

  test('XV-2 a good SVID below an intermediate CA is accepted', async () => {
    const below = await identity(intermediate, { uris: [peer] }, [intermediate])
    expect(await seen(role, below)).toBe(peer)
  })

  test('XV-3 a good SVID that has DNS names too is accepted', async () => {
    const named = await identity(ca, { uris: [peer], dnsNames: ['web.example.org', 'web'] })
    expect(await seen(role, named)).toBe(peer)
  })

  test('XV-4 a good SVID with an empty subject, whose name is critical, is accepted', async () => {
    const critical = await identity(ca, {
      extra: [alternativeNames([peer], [], [], true)],
    })
    expect(await seen(role, critical)).toBe(peer)
  })

  test('XV-5 a CA of the same name that is not in the bundle counts for nothing', async () => {
    await refusesOnly(role, await workload(await authority('ours'), peer))
  })

  test.each<[string, Shape]>([
    ['XV-6 an expired certificate', { uris: [peer], ...fromNow(-2, -1) }],
    ['XV-7 a certificate that is not valid yet', { uris: [peer], ...fromNow(1, 2) }],
    ['XV-8 a leaf that is a CA', { uris: [peer], ca: true }],
    ['XV-9 a leaf that may sign certificates', { uris: [peer], usage: ['keyCertSign'] }],
    ['XV-10 a leaf that may sign CRLs', { uris: [peer], usage: ['cRLSign'] }],
    ['XV-11 two URIs', { uris: [peer, `${peer}2`] }],
    ['XV-12 no URI', { dnsNames: ['web.example.org'] }],
    ['XV-13 a URI of another scheme', { uris: ['https://example.org/peer'] }],
    ['XV-14 the ID of a trust domain, without a path', { uris: ['spiffe://example.org'] }],
    ['XV-15 an ID of a trust domain without a bundle', { uris: ['spiffe://other.example/x'] }],
    ['XV-15 an ID below the own trust domain in DNS', { uris: ['spiffe://a.example.org/x'] }],
  ])('%s is refused, though its signature is good', async (_, shape) => {
    await refusesOnly(role, await identity(ca, shape))
  })

  test.each([
    'spiffe://example.org/a//b',
    'spiffe://example.org/a/./b',
    'spiffe://example.org/a/../b',
    'spiffe://example.org/a/',
    'spiffe://example.org/%41',
    'spiffe://example.org/a?x=1',
    'spiffe://example.org/a#f',
    'spiffe://example.org:8080/a',
    'spiffe://u@example.org/a',
    'spiffe://EXAMPLE.org/a',
    'spiffe:///a',
  ])('%s is no SPIFFE ID', async (uri) => {
    await refusesOnly(role, await identity(ca, { uris: [uri] }))
  })

  test('XF-1 an SVID of a federated trust domain is accepted', async () => {
    expect(await seen(role, await workload(foreignCa, partner))).toBe(partner)
  })

  test('XF-2 a trust domain is checked by its own bundle, never by that of another', async () => {
    expect(await seen(role, await workload(foreignCa, partner))).toBe(partner)
    await refusesOnly(role, await workload(ca, partner))
    await refusesOnly(role, await workload(foreignCa, peer))
  })
})

test('XS-4 XS-5 each CA of a bundle counts, and none that has left it', async () => {
  const next = await authority('next')
  const below = await workload(next, peer)
  await push(`${me}/two-cas`, [ca, next], {})
  expect(await both.harness.admits(good)).toBe(peer)
  expect(await both.harness.admits(below)).toBe(peer)
  expect(await both.harness.trusts(below)).toBe(peer)
  await push(`${me}/one-ca`, [ca], {})
  await refusesOnly('server', below)
  await refusesOnly('client', below)
})

test('XF-3 a federated trust domain that an update leaves out is trusted no more', async () => {
  const theirs = await workload(foreignCa, partner)
  await push(`${me}/federated`, [ca], { 'spiffe://fed.example': bundleMessage([foreignCa]) })
  expect(await both.harness.admits(theirs)).toBe(partner)
  await push(`${me}/alone`, [ca], {})
  await refusesOnly('server', theirs)
  await refusesOnly('client', theirs)
})
