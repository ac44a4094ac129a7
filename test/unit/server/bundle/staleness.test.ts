import { expect, test } from 'vitest'
import { putFederated } from '../../../../server/bundle/federated.ts'
import {
  createFederation,
  type Federation,
  type FederationDeps,
} from '../../../../server/bundle/federation.ts'
import { deleteRelationships, putRelationships } from '../../../../server/bundle/relationships.ts'
import { readFederation, type StalenessSettings } from '../../../../server/bundle/settings.ts'
import { freshBundles } from '../../../../server/bundle/staleness.ts'
import type { Store } from '../../../../server/store/store.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import { type Fields, silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvidAgain } from '../../../../src/svid/verified-tokens.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { generateKeyPair, spkiOf } from '../../../../src/x509/key.ts'
import { forge } from '../../../spec/jwt-svid/tokens.ts'
import { reasonOf } from '../../../support/x509-fixtures.ts'
import { rejection, tempDatabase, tempStore, trustDomain } from '../store/fixture.ts'

const partner = TrustDomain.parse('partner.test')
const byHand = TrustDomain.parse('by-hand.test')
const operator = { actor: { kind: 'local' } } as const
const hourMs = 3_600_000
const { privateKey } = await generateKeyPair('ec-p256')

function bundleOf(name: TrustDomain): Bundle {
  const publicKey = spkiOf(privateKey)
  return {
    trustDomain: name,
    x509Authorities: [],
    jwtAuthorities: [{ keyId: 'a', publicKey, expiresAt: undefined, tainted: false }],
    ...{ sequence: 1n, refreshHintSeconds: 300 },
  }
}

function refuses({ fresh }: Pick<Federation, 'fresh'>, name: TrustDomain): boolean {
  return reasonOf(() => fresh.bundleOf(name)) === 'bundle-stale'
}

/** Of one trust domain there is a relationship, whose endpoint nobody asks; of the other a bundle alone. */
async function start(said?: StalenessSettings) {
  const clock = new FakeClock()
  const { connect, execute } = await tempDatabase()
  const told: Fields[] = []
  const server = (store: Store) => {
    const deps: FederationDeps = {
      ...{ trustDomain, clock, store },
      changes: { reached: async () => {} },
      bundles: { bundleOf },
      settings: {
        ...readFederation({ fetch: false }),
        trustDomains: new Map(said === undefined ? [] : [[partner, said]]),
      },
      log: { ...silentLog, error: (_, fields = {}) => void told.push(fields) },
      observe() {},
    }
    return { deps, federation: createFederation(deps) }
  }
  const store = await tempStore({ connect })
  const { deps, federation } = server(store)
  const url = {
    bundleEndpointUrl: 'https://partner.test/',
    profile: { type: 'https_web' },
  } as const
  const relationship = { trustDomain: partner, ...url, bundle: bundleOf(partner) }
  await putRelationships(deps, [relationship], { mode: 'create' }, operator)
  await putFederated(deps, [bundleOf(byHand)], { mode: 'set' }, operator)
  await federation.read()
  return { clock, deps, federation, told, execute, server, store }
}

test('a federated bundle that was not confirmed for a day says of nobody who it is, and is told of once', async () => {
  const { clock, federation, told } = await start()
  const running = new AbortController()
  const run = federation.run(running.signal)
  await clock.advance(24 * hourMs - 1)
  expect([refuses(federation, partner), told]).toEqual([false, []])
  await clock.advance(30_000)
  expect(refuses(federation, partner)).toBe(true)
  expect(federation.status()).toMatchObject([{ isStale: true, onStale: 'deny' }])
  expect(told).toMatchObject([{ trustDomain: partner, onStale: 'deny' }])
  // Neither the trust domain of the server, nor a bundle that is there by an operator’s word alone.
  expect([trustDomain, byHand].map((name) => refuses(federation, name))).toEqual([false, false])
  running.abort()
  await rejection(run)
})

test('the age outlives a restart; what an operator sets is new, and without a relationship stays', async () => {
  const { clock, server, store } = await start({ maxSeconds: 600, onStale: 'deny' })
  await clock.advance(599_999)
  const { deps, federation } = server(store)
  await federation.read()
  expect(refuses(federation, partner)).toBe(false)
  await clock.advance(1)
  expect(refuses(federation, partner)).toBe(true)
  await putFederated(deps, [bundleOf(partner)], { mode: 'set' }, operator)
  await federation.read()
  expect(refuses(federation, partner)).toBe(false)
  await clock.advance(600_000)
  expect(refuses(federation, partner)).toBe(true)
  await deleteRelationships(deps, [partner], operator)
  await federation.read()
  expect(refuses(federation, partner)).toBe(false)
})

test('what a clock that was ahead has confirmed does not count for longer than another', async () => {
  const { clock, deps, server, store } = await start({ maxSeconds: 600, onStale: 'deny' })
  const set = () => putFederated(deps, [bundleOf(partner)], { mode: 'set' }, operator)
  const { federation } = server(store)
  clock.jump(48 * hourMs)
  await set()
  await federation.read()
  // Servers need not agree on the time to the second.
  clock.jump(-2000)
  expect(refuses(federation, partner)).toBe(false)
  clock.jump(2000 - 48 * hourMs)
  expect(federation.status()).toMatchObject([{ isStale: true, confirmedAt: undefined }])
  expect(refuses(federation, partner)).toBe(true)
  await set()
  await federation.read()
  expect(refuses(federation, partner)).toBe(false)
})

test('on_stale: use tells of it, and no more', async () => {
  const { clock, federation } = await start({ maxSeconds: 600, onStale: 'use' })
  await clock.advance(600_000)
  expect(federation.status()).toMatchObject([{ isStale: true }])
  expect(refuses(federation, partner)).toBe(false)
})

test('a bundle whose last confirmation is missing, or was written by somebody else, is stale', async () => {
  const { execute, server, clock, store } = await start()
  const aDayLater = clock.now().getTime() + 24 * hourMs
  for (const statement of [
    `update bundle_confirmations set body = '${aDayLater}' where trust_domain = 'partner.test'`,
    'delete from bundle_confirmations',
  ]) {
    await execute(statement)
    const { federation } = server(store)
    await federation.read()
    expect(refuses(federation, partner)).toBe(true)
  }
})

test('it is judged each time: an SVID that was verified before is refused once its bundle is stale', async () => {
  const now = new Date()
  const seconds = Math.floor(now.getTime() / 1000)
  const sub = SpiffeId.of(partner, '/web')
  const claims = { sub, aud: ['us'], exp: seconds + 60 }
  const token = forge({ alg: 'ES256', kid: 'a' }, claims, privateKey, 'ES256')
  let stale = false
  const bundle = bundleOf(partner)
  const bundles = freshBundles({ bundleOf: () => bundle }, (name) => name === partner && stale)
  const verify = () => verifyJwtSvidAgain(token, { audience: 'us', bundles, now })
  expect((await verify()).spiffeId).toBe(sub)
  stale = true
  expect(await rejection(verify())).toMatchObject({
    ...{ code: 'unauthenticated', reason: 'bundle-stale' },
  })
})
