import { describe, expect, onTestFinished, test } from 'vitest'
import { createClient } from '../../../src/rpc/client.ts'
import { dialUnix } from '../../../src/rpc/dial.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvid } from '../../../src/svid/jwt-svid.ts'
import { verifyX509Svid } from '../../../src/svid/x509-svid.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { TestTrustDomain } from '../../../src/testing/trust-domain.ts'
import { WorkloadApiClient } from '../../../src/workload-api/client.ts'
import { db, startApi, web } from '../../support/fake-api.ts'
import { reasonOf, reasonOfAsync } from '../../support/x509-fixtures.ts'

describe('a trust domain for tests', () => {
  const id = SpiffeId.parse(web)

  test('issues SVIDs that verify by its bundle, until their time or their authority is over', async () => {
    const clock = new FakeClock()
    const own = await TestTrustDomain.create('example.org', clock)
    const bundles = { bundleOf: () => own.bundle }
    const { chain } = await own.issueX509(id, { ttlSeconds: 60, dnsNames: ['web.test'] })
    const token = await own.issueJwt(id, 'us', { ttlSeconds: 60, claims: { role: 'admin' } })
    const verdicts = async () => [
      reasonOf(() => verifyX509Svid(chain, bundles, clock.now())),
      await reasonOfAsync(() =>
        verifyJwtSvid(token, { audience: 'us', bundles, now: clock.now() }),
      ),
    ]
    expect(await verdicts()).toEqual(['ok', 'ok'])
    await own.rotate()
    expect(own.bundle.x509Authorities).toHaveLength(2)
    expect(await verdicts()).toEqual(['ok', 'ok'])
    own.revokeOld()
    expect(await verdicts()).toEqual(['svid-chain-unknown-authority', 'token-key'])
    const later = await own.issueX509(id, { ttlSeconds: 60 })
    await clock.advance(61_000)
    expect(reasonOf(() => verifyX509Svid(later.chain, bundles, clock.now()))).toBe(
      'svid-chain-expired',
    )
  })

  test('is not the trust domain of another ID', async () => {
    const own = await TestTrustDomain.create('example.org')
    const other = SpiffeId.parse('spiffe://there.test/web')
    expect(await reasonOfAsync(() => own.issueX509(other))).toBe('lint-trust-domain')
  })
})

describe('a Workload API for tests', () => {
  test('grants nothing that it was not told to', async () => {
    const api = await startApi()
    const client = new WorkloadApiClient({ endpoint: api.endpoint })
    onTestFinished(() => client.close())
    await expect(client.fetchX509Context()).rejects.toMatchObject({ code: 'forbidden' })
    await expect(client.fetchJwtBundles()).rejects.toMatchObject({ code: 'forbidden' })
    await expect(client.fetchJwtSvid('us')).rejects.toMatchObject({ code: 'forbidden' })
    await api.grant(web)
    expect((await client.fetchX509Context()).svids).toHaveLength(1)
    expect(await reasonOfAsync(() => api.grant('spiffe://there.test/web'))).toBe(
      'testing-trust-domain',
    )
    expect(await reasonOfAsync(() => api.grant('spiffe://example.org'))).toBe('lint-root-path')
  })

  test('refuses a call without exactly one "true" in the header, and keeps it', async () => {
    const api = await startApi()
    await api.grant(web)
    const channel = dialUnix(api.endpoint.replace('unix://', ''))
    onTestFinished(() => channel.close())
    const { unary } = createClient('SpiffeWorkloadAPI', channel)
    const ask = (metadata: Record<string, string>) =>
      reasonOfAsync(() => unary('FetchJWTSVID', { audience: ['us'] }, { metadata }))
    expect(await ask({})).toBe('rpc-invalid')
    expect(await ask({ 'workload.spiffe.io': 'True' })).toBe('rpc-invalid')
    expect(await ask({ 'workload.spiffe.io': 'true' })).toBe('ok')
    expect(api.calls.map(({ securityHeader }) => securityHeader)).toEqual([[], ['True'], ['true']])
  })

  test('gives identities of a trust domain that is federated with, each with its own bundle', async () => {
    const api = await startApi()
    const friend = await TestTrustDomain.create('there.test')
    api.federate(friend)
    await api.grant(web)
    await api.grant('spiffe://there.test/web')
    await api.rotate({ authorities: true })
    const client = new WorkloadApiClient({ endpoint: api.endpoint })
    onTestFinished(() => client.close())
    const context = await client.fetchX509Context()
    for (const { chain, spiffeId } of context.svids) {
      expect(verifyX509Svid(chain, context, new Date()).spiffeId).toBe(spiffeId)
    }
    expect(context.bundles.size).toBe(2)
    api.unfederate(friend)
    api.withdraw('spiffe://there.test/web')
    await api.grant(db)
    expect((await client.fetchX509Context()).bundles.size).toBe(1)
  })

  test('listens under the same endpoint again', async () => {
    for (const transport of ['unix', 'tcp'] as const) {
      const api = await startApi({ transport })
      await api.grant(web)
      const { endpoint } = api
      await api.stop()
      await api.listen()
      expect(api.endpoint).toBe(endpoint)
      const client = new WorkloadApiClient({ endpoint })
      onTestFinished(() => client.close())
      expect((await client.fetchX509Context()).svids).toHaveLength(1)
      await api.close()
      await api.close()
    }
  })
})

test('what does not come about in its time is told', async () => {
  expect(await reasonOfAsync(() => eventually(() => false, 5))).toBe('testing-deadline')
  let looks = 0
  await eventually(async () => ++looks === 3)
})
