import { beforeAll, expect, test } from 'vitest'
import type { Bundle } from '../../../src/bundle/bundle.ts'
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
