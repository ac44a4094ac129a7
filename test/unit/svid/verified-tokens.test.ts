import { expect, test } from 'vitest'
import type { Bundle } from '../../../src/bundle/bundle.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { verifyJwtSvidAgain } from '../../../src/svid/verified-tokens.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { TestTrustDomain } from '../../../src/testing/trust-domain.ts'

const web = SpiffeId.parse('spiffe://example.org/web')

async function start() {
  const clock = new FakeClock()
  const domain = await TestTrustDomain.create('example.org', clock)
  let bundle: Bundle | undefined = domain.bundle
  const bundles = { bundleOf: () => bundle }
  const verify = (token: string, audience = 'a') =>
    verifyJwtSvidAgain(token, { audience, bundles, now: clock.now() })
  const use = (next: Bundle | undefined): void => {
    bundle = next
  }
  return { clock, domain, verify, use }
}

test('a token that was verified is believed again, for the same audience alone', async () => {
  const { domain, verify } = await start()
  const token = await domain.issueJwt(web, ['a', 'b'])
  const first = await verify(token)
  expect(await verify(token)).toBe(first)
  expect(await verify(token, 'b')).toStrictEqual(first)
  await expect(verify(token, 'c')).rejects.toMatchObject({ reason: 'token-audience' })
  // What is like it but for one character was not verified.
  const forged = `${token.slice(0, -2)}${token.endsWith('A') ? 'BA' : 'AA'}`
  await expect(verify(forged)).rejects.toMatchObject({ code: 'unauthenticated' })
  await expect(verify(forged)).rejects.toMatchObject({ code: 'unauthenticated' })
})

test('T12 one of more than 4 KB is believed too, and takes no room', async () => {
  const { domain, verify } = await start()
  const large = async (length: number) => {
    const token = await domain.issueJwt(web, 'a', { claims: { filling: 'x'.repeat(length) } })
    const first = await verify(token)
    return { size: token.length, isKept: (await verify(token)) === first }
  }
  const small = await large(0)
  // Three bytes take four characters, in a token.
  const filling = Math.floor(((4096 - small.size) * 3) / 4)
  expect(await large(filling - 30)).toMatchObject({ isKept: true })
  expect(await large(filling + 30)).toMatchObject({ isKept: false })
})

test('a token with the signature of one that was verified is not believed, and that one still is', async () => {
  const { domain, verify } = await start()
  const token = await domain.issueJwt(web, 'a')
  const verified = await verify(token)
  const [header = '', , signature = ''] = token.split('.')
  const { claims } = verified
  const others = { ...claims, sub: 'spiffe://example.org/admin' }
  const payload = Buffer.from(JSON.stringify(others)).toString('base64url')
  const forged = `${header}.${payload}.${signature}`
  for (let n = 0; n < 2; n += 1) {
    await expect(verify(forged)).rejects.toMatchObject({ reason: 'token-signature' })
    expect(await verify(token)).toBe(verified)
  }
})

test('it is believed no longer once it is expired, its key has ended or is gone, or its trust domain is', async () => {
  const { clock, domain, verify, use } = await start()
  const { bundle } = domain
  const reasonOf = async (token: string): Promise<unknown> =>
    verify(token).then(
      () => 'good',
      (error) => error.reason,
    )
  const token = await domain.issueJwt(web, 'a')
  expect(await reasonOf(token)).toBe('good')
  use({ ...bundle, jwtAuthorities: [] })
  expect(await reasonOf(token)).toBe('token-key')
  use(undefined)
  expect(await reasonOf(token)).toBe('token-trust-domain')
  const endsAt = new Date(clock.now().getTime() + 100_000)
  const jwtAuthorities = bundle.jwtAuthorities.map((one) => ({ ...one, expiresAt: endsAt }))
  use({ ...bundle, jwtAuthorities })
  expect(await reasonOf(token)).toBe('good')
  await clock.advance(161_000)
  expect(await reasonOf(token)).toBe('token-key')
  use(bundle)
  expect(await reasonOf(token)).toBe('good')
  await clock.advance(200_000)
  expect(await reasonOf(token)).toBe('token-expired')
})
