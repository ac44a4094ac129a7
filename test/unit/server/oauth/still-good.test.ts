import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { freshBundles } from '../../../../server/bundle/staleness.ts'
import { authOf, type OauthRequest } from '../../../../server/oauth/client-door.ts'
import { readForeignClients } from '../../../../server/oauth/foreign-clients.ts'
import {
  assertionForm,
  authenticateClient,
  type Client,
} from '../../../../server/oauth/spiffe-client-auth.ts'
import { stillGood } from '../../../../server/oauth/still-good.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { TestTrustDomain } from '../../../../src/testing/trust-domain.ts'
import { form, issuer } from '../../../support/oauth.ts'
import { reasonOf } from '../../../support/reason-of.ts'
import { type OauthWorld, startWorld } from './oauth-world.ts'

const id = SpiffeId.parse('spiffe://other.example/web')
let world: OauthWorld
let other: TestTrustDomain
/** What there is of the other trust domain. */
let bundleOf: () => Bundle | undefined
let isStale: boolean

beforeEach(async () => {
  const closing = new AsyncDisposableStack()
  onTestFinished(() => closing.disposeAsync())
  other = await TestTrustDomain.create('other.example', new FakeClock())
  ;[bundleOf, isStale] = [() => other.bundle, false]
  const said = [{ spiffe_id: id, owner: 'partner' }]
  const clients = readForeignClients(said, TrustDomain.parse('example.org'))
  world = await startWorld(closing, {
    bundles: freshBundles({ bundleOf: () => bundleOf() }, () => isStale),
    entriesOf: (asking) => [clients.get(asking) ?? []].flat(),
  })
})

/** A client that has proved itself by what is said, and is served from now on. */
async function served(
  said: Readonly<Record<string, string>>,
  chain: readonly Buffer[] = [],
  meanwhile: () => void = () => {},
): Promise<() => Promise<string>> {
  const { deps } = world
  const request: OauthRequest = {
    ...{ body: form(said), authorization: undefined, chain, address: '10.0.0.1:4000' },
  }
  const proof = { ...request, form: new Map(Object.entries(said)) }
  const client: Client = await authenticateClient(proof, authOf(deps))
  meanwhile()
  const check = stillGood(request, client, deps)
  return () => reasonOf((async () => check())())
}

async function byCertificate(meanwhile?: () => void): Promise<() => Promise<string>> {
  const { chain } = await other.issueX509(id)
  return served(
    { client_id: id },
    chain.map((der) => Buffer.from(der)),
    meanwhile,
  )
}

test('T9 a client is served while its trust domain has a bundle that vouches for it, and no longer', async () => {
  const byAssertion = async () => served(assertionForm(await other.issueJwt(id, issuer)))
  for (const [begin, gone, unsigned] of [
    [byCertificate, 'svid-no-bundle', 'svid-chain-unknown-authority'],
    [byAssertion, 'token-trust-domain', 'token-key'],
  ] as const) {
    ;[bundleOf, isStale] = [() => other.bundle, false]
    const check = await begin()
    expect([await check(), await check()]).toEqual(['accepted', 'accepted'])
    const renewed = { ...other.bundle }
    bundleOf = () => renewed
    expect(await check()).toBe('accepted')
    bundleOf = () => undefined
    expect(await check()).toBe(gone)
    bundleOf = () => ({ ...other.bundle, x509Authorities: [], jwtAuthorities: [] })
    expect(await check()).toBe(unsigned)
    isStale = true
    expect(await check()).toBe('bundle-stale')
  }
})

test('T9 what a bundle has lost while the client was let in is found at the first look', async () => {
  const without = { ...other.bundle, x509Authorities: [] }
  const check = await byCertificate(() => {
    bundleOf = () => without
  })
  expect(await check()).toBe('svid-chain-unknown-authority')
  bundleOf = () => other.bundle
  const nobody = await byCertificate(() => {
    bundleOf = () => undefined
  })
  expect(await nobody()).toBe('svid-no-bundle')
})

test('T26 a client that was revoked is served no longer', async () => {
  const check = await byCertificate()
  expect(await check()).toBe('accepted')
  const notBefore = Math.floor(world.clock.now().getTime() / 1000)
  world.revocations.apply({ kind: 'spiffe-id', id, notBefore, endsAt: notBefore + 60 })
  expect(await check()).toBe('svid-revoked')
})
