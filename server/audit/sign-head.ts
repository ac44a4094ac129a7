import { hash } from 'node:crypto'
import { hostname } from 'node:os'
import type { ChainHead } from '../../src/audit/chain.ts'
import { type HeadClaims, headType } from '../../src/audit/signed-head.ts'
import { signCompact } from '../../src/jwt/sign.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { type Signer, spkiOf } from '../../src/x509/key.ts'

/** Where a trail stands, and which trail it is. */
export interface HeadOfTrail {
  /** Name of the chain, 32 hex digits. */
  readonly chain: string
  readonly head: ChainHead
}

/** Who signs it, and when. */
export interface HeadSigner {
  readonly trustDomain: TrustDomain
  readonly keyId: string
  readonly signer: Signer
  /** SubjectPublicKeyInfo of keys that may sign from now on, DER. */
  readonly prepared: readonly Buffer[]
}

/** The JWS that `readSignedHead` reads. Throws as `signCompact`. */
export function signHead(
  { chain, head }: HeadOfTrail,
  { trustDomain, keyId, signer, prepared }: HeadSigner,
  now: Date,
): Promise<string> {
  const claims: HeadClaims = {
    iss: TrustDomain.toId(trustDomain),
    iat: Math.floor(now.getTime() / 1000),
    chain,
    n: head.number,
    hash: head.hash,
    server: hostname(),
    key: spkiOf(signer.publicKey).toString('base64'),
    next: prepared.map((publicKey) => hash('sha256', publicKey, 'hex')),
  }
  return signCompact(signer, keyId, claims, headType)
}
