import { type KeyObject, verify } from 'node:crypto'
import { JOSEError } from 'jose/errors'
import { compactVerify } from 'jose/jws/compact/verify'
import { fits, signatureBytesOf } from './algorithm.ts'
import type { CompactToken } from './compact.ts'
import { p1363ToDer } from './ecdsa.ts'

/**
 * Whether the key signed the token. `parsed` is what `readCompact` made of the same `token`. A key
 * that does not fit the algorithm, and a signature of another length than it must have, never reach
 * the cryptography.
 */
export async function verifySignature(
  token: string,
  parsed: CompactToken,
  key: KeyObject,
): Promise<boolean> {
  const { algorithm, signature } = parsed
  if (!fits(algorithm, key) || signature.length !== signatureBytesOf(algorithm, key)) return false
  // What most tokens have. To hand it over would take more of this thread than the curve does.
  if (algorithm === 'ES256') {
    const signed = Buffer.from(token.slice(0, token.lastIndexOf('.')), 'latin1')
    return verify('sha256', signed, key, p1363ToDer(signature))
  }
  try {
    await compactVerify(token, key, { algorithms: [algorithm] })
    return true
  } catch (error) {
    if (error instanceof JOSEError) return false
    throw error
  }
}
