import { beforeAll, describe, expect, test } from 'vitest'
import type { Bundle, BundleLookup } from '../../../src/bundle/bundle.ts'
import { verifyAgain } from '../../../src/svid/verified-chains.ts'
import type { VerifiedX509Svid } from '../../../src/svid/x509-svid.ts'
import { bundleOf, issued, type Made, NOW, reasonOf, root } from '../../support/x509-fixtures.ts'

const uris = ['spiffe://example.org/web']
const lifeMs = 60_000
let ca: Made
let stranger: Made
let leaf: Made

beforeAll(async () => {
  ca = await root('CA')
  stranger = await root('CA')
  leaf = await issued('leaf', ca, { uris, notAfter: new Date(NOW.getTime() + lifeMs) })
})

/** A source with one bundle, and the check of a chain against it: the same answer is one that was remembered. */
function source(bundle: Bundle | undefined) {
  const own = { bundle, bundleOf: () => own.bundle }
  const verify = (made: Made, now = NOW): VerifiedX509Svid => verifyAgain([made.der], own, now)
  return { own, verify }
}

test('a chain that a bundle has vouched for is not verified again, whoever holds its bytes', () => {
  const { verify } = source(bundleOf('example.org', ca))
  expect(verify({ ...leaf, der: Buffer.from(leaf.der) })).toBe(verify(leaf))
})

test('T27 its dates are looked at each time', () => {
  const { verify } = source(bundleOf('example.org', ca))
  const first = verify(leaf)
  expect(reasonOf(() => verify(leaf, new Date(NOW.getTime() + lifeMs + 1000)))).toBe(
    'svid-chain-expired',
  )
  expect(verify(leaf).spiffeId).toBe(first.spiffeId)
})

test('T26 another version of the bundle vouches anew, and one without the authority does not', () => {
  const { own, verify } = source(bundleOf('example.org', ca))
  const first = verify(leaf)
  own.bundle = bundleOf('example.org', ca, stranger)
  expect(verify(leaf)).not.toBe(first)
  own.bundle = bundleOf('example.org', stranger)
  expect(reasonOf(() => verify(leaf))).toBe('svid-chain-unknown-authority')
  own.bundle = undefined
  expect(reasonOf(() => verify(leaf))).toBe('svid-no-bundle')
})

test('what one source has vouched for counts for no other', () => {
  source(bundleOf('example.org', ca)).verify(leaf)
  expect(reasonOf(() => source(bundleOf('example.org', stranger)).verify(leaf))).toBe(
    'svid-chain-unknown-authority',
  )
})

test('a chain that was refused is not remembered as good, nor one with a certificate more', () => {
  const { own } = source(bundleOf('example.org', ca))
  const once = verifyAgain([leaf.der], own, NOW)
  expect(verifyAgain([leaf.der, stranger.der], own, NOW)).not.toBe(once)
  const broken = Buffer.from(leaf.der)
  broken[broken.length - 1] = (broken.at(-1) ?? 0) ^ 1
  const attempt = () => reasonOf(() => verifyAgain([broken], own, NOW))
  expect([attempt(), attempt()]).toEqual(['svid-chain-signature', 'svid-chain-signature'])
})

describe('T34 a connection whose chain was refused', () => {
  const attemptOf = (lookup: BundleLookup, chain: readonly Buffer[]) => (now: Date) => {
    try {
      return verifyAgain(chain, lookup, now).spiffeId
    } catch (error) {
      return error
    }
  }
  const at = (ms: number) => new Date(NOW.getTime() + ms)

  test('is told the same for ten seconds, and nothing is verified for it', () => {
    const { own } = source(bundleOf('example.org', stranger))
    const attempt = attemptOf(own, [leaf.der])
    const refusal = attempt(NOW)
    expect(refusal).toMatchObject({ reason: 'svid-chain-unknown-authority' })
    expect(attempt(at(9_999))).toBe(refusal)
    expect(attempt(at(-1))).not.toBe(refusal)
    const later = attempt(NOW)
    expect(attempt(at(10_000))).not.toBe(later)
  })

  test('is let in as soon as the bundle of its trust domain is there, or another', () => {
    const { own } = source(undefined)
    const attempt = attemptOf(own, [leaf.der])
    const refusal = attempt(NOW)
    expect(refusal).toMatchObject({ reason: 'svid-no-bundle' })
    expect(attempt(NOW)).toBe(refusal)
    own.bundle = bundleOf('example.org', stranger)
    expect(attempt(NOW)).toMatchObject({ reason: 'svid-chain-unknown-authority' })
    own.bundle = bundleOf('example.org', ca)
    expect(attempt(NOW)).toBe(uris[0])
  })

  test('is let in once its time has come', () => {
    const { own } = source(bundleOf('example.org', ca))
    const attempt = attemptOf(own, [leaf.der])
    const early = new Date(leaf.certificate.notBefore.getTime() - 5000)
    expect(attempt(early)).toMatchObject({ reason: 'svid-chain-not-yet-valid' })
    expect(attempt(new Date(early.getTime() + 10_000))).toBe(uris[0])
  })

  test('keeps no other out that has shown the same', () => {
    const { own } = source(bundleOf('example.org', stranger))
    const chain = [leaf.der]
    const refusal = attemptOf(own, chain)(NOW)
    expect(attemptOf(own, [leaf.der])(NOW)).not.toBe(refusal)
    const { own: other } = source(bundleOf('example.org', ca))
    expect(attemptOf(other, chain)(NOW)).toBe(uris[0])
  })
})

test('of the chains seen last 1,024 are kept', async () => {
  const { own, verify } = source(bundleOf('example.org', ca))
  const [first, second] = [verify(leaf), await issued('other', ca, { uris })]
  const other = verify(second)
  // The same leaf with another one behind it is another chain.
  const behind = await Promise.all(
    Array.from({ length: 1023 }, (_, at) => issued(`b-${at}`, second, { uris })),
  )
  for (const { der } of behind.slice(1)) verifyAgain([leaf.der, der], own, NOW)
  expect(verify(leaf)).toBe(first)
  verifyAgain([leaf.der, (behind[0] as Made).der], own, NOW)
  expect(verify(leaf)).toBe(first)
  expect(verify(second)).not.toBe(other)
})
