import { expect, test } from 'vitest'

import { SpiffeId, type TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { TestTrustDomain } from '../../../../src/testing/trust-domain.ts'
import { issuer } from '../../../support/oauth.ts'
import { entryOf } from '../entry/samples.ts'
import { type OauthWorld, type Proof, send, startWorld, wish } from './oauth-world.ts'

const partner = SpiffeId.parse('spiffe://partner.example/web')

/** A client of another trust domain, whose authorities change under what it has shown before. */
async function start(closing: AsyncDisposableStack) {
  const domain = await TestTrustDomain.create('partner.example', new FakeClock())
  const world: { now?: OauthWorld } = {}
  const bundleOf = (name: TrustDomain) =>
    name === domain.name ? domain.bundle : world.now?.bundles.bundleOf(name)
  const entries = [entryOf({ id: 'partner', spiffeId: partner })]
  world.now = await startWorld(closing, { bundles: { bundleOf }, entriesOf: () => entries })
  const { server, records } = world.now
  const proofs = async (): Promise<readonly Proof[]> => [
    { assertion: await domain.issueJwt(partner, issuer) },
    { chain: [...(await domain.issueX509(partner)).chain], id: partner },
  ]
  const statusOf = async (proof: Proof): Promise<number> => (await send(server, proof, wish)).status
  return { domain, proofs, statusOf, lastReason: () => records().at(-1)?.['reason'] }
}

test('T26 an authority that is replaced in the midst of it all refuses nobody, and one that is gone lets nobody in by what was good before', async () => {
  await using closing = new AsyncDisposableStack()
  const { domain, proofs, statusOf, lastReason } = await start(closing)
  const before = await proofs()
  for (const proof of before) expect(await statusOf(proof)).toBe(200)
  const underWay = before.map(statusOf)
  await domain.rotate()
  expect(await Promise.all(underWay)).toEqual([200, 200])
  const after = await proofs()
  for (const proof of [...before, ...after]) expect(await statusOf(proof)).toBe(200)
  domain.revokeOld()
  for (const [at, proof] of before.entries()) {
    expect(await statusOf(proof)).toBe(401)
    expect(lastReason()).toBe(['token-key', 'svid-chain-unknown-authority'][at])
  }
  for (const proof of after) expect(await statusOf(proof)).toBe(200)
})
