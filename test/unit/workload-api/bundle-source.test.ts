import { expect, onTestFinished, test } from 'vitest'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../../../src/svid/jwt-svid.ts'
import { verifyX509Svid } from '../../../src/svid/x509-svid.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { TestTrustDomain } from '../../../src/testing/trust-domain.ts'
import { BundleSource } from '../../../src/workload-api/bundle-source.ts'
import { passing, startApi, status, web } from '../../support/fake-api.ts'
import { reasonOfAsync } from '../../support/x509-fixtures.ts'

const here = TrustDomain.parse('example.org')
const there = TrustDomain.parse('there.test')

async function opened() {
  const clock = new FakeClock()
  const api = await startApi({ clock })
  await api.grant(web)
  const signal = AbortSignal.timeout(30_000)
  const source = await BundleSource.open({ endpoint: api.endpoint, clock, signal })
  onTestFinished(() => source.close())
  return { api, clock, source }
}

test('a bundle has the authorities of both kinds, and stays the same object until an update', async () => {
  const { api, clock, source } = await opened()
  const bundle = source.bundleOf(here)
  expect(bundle?.x509Authorities).toHaveLength(1)
  expect(bundle?.jwtAuthorities).toHaveLength(1)
  expect(source.bundleOf(here)).toBe(bundle)
  const id = SpiffeId.parse(web)
  const { chain } = await api.trustDomain.issueX509(id)
  expect(verifyX509Svid(chain, source, clock.now()).spiffeId).toBe(web)
  const token = await api.trustDomain.issueJwt(id, 'us')
  const options = { audience: 'us', bundles: source, now: clock.now() }
  expect((await verifyJwtSvid(token, options)).spiffeId).toBe(web)
  await api.rotate({ authorities: true })
  await eventually(() => source.bundleOf(here)?.x509Authorities.length === 2)
  await eventually(() => source.bundleOf(here)?.jwtAuthorities.length === 2)
})

test('WLA-11 WLA-32 WLA-48 a trust domain that is taken away is trusted no more', async () => {
  const { api, clock, source } = await opened()
  const friend = await TestTrustDomain.create(there, clock)
  expect(source.bundleOf(there)).toBeUndefined()
  let told = 0
  const stop = source.onUpdate(() => {
    told += 1
  })
  api.federate(friend)
  await eventually(() => told === 2)
  expect(source.bundleOf(there)?.jwtAuthorities).toHaveLength(1)
  api.unfederate(friend)
  await eventually(() => source.bundleOf(there) === undefined)
  stop()
})

test('WLA-32 WLA-48 without any entitlement nobody is trusted', async () => {
  const { api, clock, source } = await opened()
  api.withdraw()
  await eventually(() => source.bundleOf(here) === undefined)
  expect(source.state).toBe('expired')
  await api.grant(web)
  await passing(clock, () => source.state === 'fresh')
  expect(source.bundleOf(here)?.x509Authorities).toHaveLength(1)
})

test('WLE-18 a Workload API that lacks one of both kinds does not open it', async () => {
  const api = await startApi()
  await api.grant(web)
  api.script('FetchJWTBundles', { code: status.unimplemented })
  const opening = () => BundleSource.open({ endpoint: api.endpoint })
  expect(await reasonOfAsync(opening)).toBe('rpc-unimplemented')
})

test('it tells when it is stale, and has nothing left when it is closed', async () => {
  const { api, source } = await opened()
  expect(source.state).toBe('fresh')
  await api.stop()
  await eventually(() => source.state === 'stale')
  expect(source.bundleOf(here)).toBeDefined()
  await source.close()
  expect(source.state).toBe('expired')
  expect(source.bundleOf(here)).toBeUndefined()
})
