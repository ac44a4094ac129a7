import type { KeyObject } from 'node:crypto'
import { JOSEError } from 'jose/errors'
import { compactVerify } from 'jose/jws/compact/verify'
import { fits, signatureBytesOf } from './algorithm.ts'
import type { CompactToken } from './compact.ts'

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
  try {
    await compactVerify(token, key, { algorithms: [algorithm] })
    return true
  } catch (error) {
    if (error instanceof JOSEError) return false
    throw error
  }
}
