import { generateKeyPairSync, sign } from 'node:crypto'
import fc from 'fast-check'
import { compactVerify } from 'jose'
import { expect, test } from 'vitest'
import { readCompact } from '../../../src/jwt/compact.ts'
import { verifySignature } from '../../../src/jwt/verify.ts'

const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
const signed = (n: number): string => `${part({ alg: 'ES256', kid: 'a' })}.${part({ n })}`
const signatureOf = (text: string): Buffer =>
  sign('sha256', Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' })
const token = (text: string, signature: Buffer): string =>
  `${text}.${signature.toString('base64url')}`
const ours = (one: string, key = publicKey) => verifySignature(one, readCompact(one), key)

test('RFC 7518 §3.4 an ES256 signature is good here where it is to jose, and no other', async () => {
  const changes = fc.record({
    n: fc.nat(),
    of: fc.constantFrom('nothing', 'text', 'signature', 'key'),
    at: fc.nat({ max: 63 }),
    by: fc.integer({ min: 1, max: 255 }),
  })
  const property = fc.asyncProperty(changes, async ({ n, of, at, by }) => {
    const signature = signatureOf(signed(n))
    if (of === 'signature') signature[at] = (signature[at] ?? 0) ^ by
    const one = token(signed(of === 'text' ? n + 1 : n), signature)
    const key = of === 'key' ? other : publicKey
    const good = await compactVerify(one, key).then(
      () => true,
      () => false,
    )
    expect(good).toBe(of === 'nothing')
    expect(await ours(one, key)).toBe(good)
  })
  await fc.assert(property, { numRuns: 60 })
})

test('a signature whose numbers have fewer digits is good in its full width', async () => {
  const found = { r: false, s: false }
  for (let n = 0; !(found.r && found.s); n += 1) {
    const signature = signatureOf(signed(n))
    const [r, s] = [signature[0] === 0, signature[32] === 0]
    if (!r && !s) continue
    expect(await ours(token(signed(n), signature))).toBe(true)
    found.r ||= r
    found.s ||= s
  }
})

test.for([
  ['nothing', Buffer.alloc(64)],
  ['zero and one', Buffer.from(`${'00'.repeat(63)}01`, 'hex')],
  ['one and zero', Buffer.from(`${'00'.repeat(31)}01${'00'.repeat(32)}`, 'hex')],
  ['as much as there is', Buffer.alloc(64, 0xff)],
] as const)('numbers that are no signature of anything are refused: %s', async ([, signature]) => {
  expect(await ours(token(signed(1), signature))).toBe(false)
})

test('RFC 7515 DER in place of r and s is refused, and so is another length', async () => {
  const text = signed(1)
  const der = sign('sha256', Buffer.from(text), privateKey)
  const good = signatureOf(text)
  const zero = Buffer.alloc(1)
  // The same numbers, which are only written longer.
  const padded = Buffer.concat([zero, good.subarray(0, 32), zero, good.subarray(32)])
  for (const signature of [der, good.subarray(0, 63), Buffer.alloc(65, 1), padded]) {
    expect(await ours(token(text, signature))).toBe(false)
  }
  expect(await ours(token(text, good))).toBe(true)
})

test('RFC 7518 §3.4 ES256 is of the curve P-256: a good signature of another as long is none', async () => {
  const pair = generateKeyPairSync('ec', { namedCurve: 'secp256k1' })
  const text = signed(1)
  const key = { key: pair.privateKey, dsaEncoding: 'ieee-p1363' } as const
  const signature = sign('sha256', Buffer.from(text), key)
  expect(signature).toHaveLength(64)
  expect(await ours(token(text, signature), pair.publicKey)).toBe(false)
})

test('RFC 7518 §3.3 a good RS256 signature is none by a key of fewer than 2048 bits', async () => {
  const text = `${part({ alg: 'RS256', kid: 'a' })}.${part({})}`
  const good = async (modulusLength: number): Promise<boolean> => {
    const pair = generateKeyPairSync('rsa', { modulusLength })
    const signature = sign('sha256', Buffer.from(text), pair.privateKey)
    return ours(token(text, signature), pair.publicKey)
  }
  expect(await Promise.all([1024, 2048].map(good))).toEqual([false, true])
})
