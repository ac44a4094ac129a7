import { constants, createHmac, sign as cryptoSign, type KeyObject } from 'node:crypto'
import type { Bundle, BundleLookup, JwtAuthority } from '../../../src/bundle/bundle.ts'
import { CountersignError } from '../../../src/errors.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { type JwtSvid, verifyJwtSvid } from '../../../src/svid/jwt-svid.ts'
import { generateKeyPair, type KeyKind, spkiOf } from '../../../src/x509/key.ts'

export const td: TrustDomain = TrustDomain.parse('example.org')
export const otherTd: TrustDomain = TrustDomain.parse('other.example')
export const web: SpiffeId = SpiffeId.of(td, '/web')
export const now: Date = new Date('2026-01-15T12:00:00Z')
export const nowSeconds: number = now.getTime() / 1000

export interface Authority extends JwtAuthority {
  readonly privateKey: KeyObject
}

export async function newAuthority(kind: KeyKind, keyId: string): Promise<Authority> {
  const { publicKey, privateKey } = await generateKeyPair(kind)
  return { keyId, publicKey: spkiOf(publicKey), expiresAt: undefined, tainted: false, privateKey }
}

export function bundleOf(
  trustDomain: TrustDomain,
  jwtAuthorities: readonly JwtAuthority[],
): Bundle {
  return { trustDomain, x509Authorities: [], jwtAuthorities, sequence: 1n, refreshHintSeconds: 0 }
}

export function sourceOf(...bundles: readonly Bundle[]): BundleLookup {
  return { bundleOf: (name) => bundles.find((bundle) => bundle.trustDomain === name) }
}

/** Claims that are right; `undefined` takes one out. */
export function claimsWith(changes: Record<string, unknown> = {}): Record<string, unknown> {
  return { sub: web, aud: ['me'], exp: nowSeconds + 300, iat: nowSeconds, ...changes }
}

export function encode(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return Buffer.from(text).toString('base64url')
}

/** Any header over any payload, signed for what `alg` says with any key: what an attacker can write. */
export function forge(header: unknown, payload: unknown, key: KeyObject, alg: string): string {
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${signAs(alg, Buffer.from(signed), key).toString('base64url')}`
}

export function mint(
  authority: Authority,
  claims: Record<string, unknown>,
  header: { readonly alg: string; readonly [member: string]: unknown },
): string {
  return forge(header, claims, authority.privateKey, header.alg)
}

export function signAs(alg: string, data: Buffer, key: KeyObject): Buffer {
  const hash = `sha${alg.slice(2)}`
  switch (alg.slice(0, 2)) {
    case 'ES':
      return cryptoSign(hash, data, { key, dsaEncoding: 'ieee-p1363' })
    case 'PS':
      return cryptoSign(hash, data, {
        key,
        padding: constants.RSA_PKCS1_PSS_PADDING,
        saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
      })
    default:
      return cryptoSign(hash, data, key)
  }
}

export function hmac(header: unknown, payload: unknown, secret: Buffer | string): string {
  const signed = `${encode(header)}.${encode(payload)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

export function verify(
  token: string,
  bundles: BundleLookup,
  audience: string | readonly string[] = 'me',
): Promise<JwtSvid> {
  return verifyJwtSvid(token, { audience, bundles, now })
}

/** `accepted`, or the reason of the refusal; what is not ours is thrown on. */
export async function verdict(
  token: string,
  bundles: BundleLookup,
  audience: string | readonly string[] = 'me',
): Promise<string> {
  try {
    await verify(token, bundles, audience)
    return 'accepted'
  } catch (error) {
    if (error instanceof CountersignError && error.code !== 'internal') return error.reason
    throw error
  }
}
