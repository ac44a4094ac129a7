import { constants, type KeyObject, verify } from 'node:crypto'
import { coordinateBytesOf, fits, signatureBytesOf } from './algorithm.ts'
import type { CompactToken } from './compact.ts'
import { p1363ToDer } from './ecdsa.ts'

/** RFC 7518 §3.5: the salt is as long as the hash. */
const pss = {
  padding: constants.RSA_PKCS1_PSS_PADDING,
  saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
} as const

/**
 * Whether the key signed the token. `parsed` is what `readCompact` made of the same `token`. A key
 * that does not fit the algorithm, and a signature of another length than it must have, never reach
 * the cryptography. It is done at once, as a P-256 signature takes less than to hand it to another thread.
 */
export function verifySignature(token: string, parsed: CompactToken, key: KeyObject): boolean {
  const { algorithm, signature } = parsed
  if (!fits(algorithm, key) || signature.length !== signatureBytesOf(algorithm, key)) return false
  const digest = `sha${algorithm.slice(2)}`
  const signed = Buffer.from(token.slice(0, token.lastIndexOf('.')))
  if (coordinateBytesOf(algorithm) !== undefined) {
    return verify(digest, signed, key, p1363ToDer(signature))
  }
  return verify(digest, signed, algorithm.startsWith('PS') ? { key, ...pss } : key, signature)
}
