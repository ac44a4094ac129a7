import { algorithmFor } from '../../src/jwt/algorithm.ts'
import { publicJwk } from '../../src/jwt/jwk.ts'
import { keyKindOf } from '../../src/x509/key.ts'
import { importSpki } from '../../src/x509/spki.ts'

export interface PublishedKey {
  readonly keyId: string
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer
}

/** A JWK Set (RFC 7517 §5), JSON. */
export function keySetDocument(keys: readonly PublishedKey[]): string {
  return JSON.stringify({ keys: keys.map(writeKey) })
}

function writeKey({ keyId, publicKey }: PublishedKey): Readonly<Record<string, unknown>> {
  const kind = keyKindOf(importSpki(publicKey).key)
  const alg = kind === undefined ? {} : { alg: algorithmFor(kind) }
  return { kid: keyId, use: 'sig', ...alg, ...publicJwk(publicKey) }
}

/**
 * For how long a relying party may keep the keys: a key is published for longer than this before it
 * signs for the first time, and one that is revoked is gone from every cache after it.
 */
export function maxAgeSeconds(authorityTtlSeconds: number): number {
  return Math.min(300, Math.floor(authorityTtlSeconds / 48))
}
