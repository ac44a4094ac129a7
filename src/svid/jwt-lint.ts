import { CountersignError } from '../errors.ts'
import { algorithmFor } from '../jwt/algorithm.ts'
import { type CompactToken, readCompact } from '../jwt/compact.ts'
import { verifySignature } from '../jwt/verify.ts'
import type { Signer } from '../x509/key.ts'

// What leaves as a JWT-SVID is read again, with the reader that is used for strangers, and compared with what was
// asked for: a mistake in the writer, or in a signer outside, becomes an error and not a token.

export interface ExpectedToken {
  readonly keyId: string
  readonly signer: Signer
  readonly claims: Readonly<Record<string, unknown>>
  /** The end of the key: no token outlives it. */
  readonly notAfter: Date
}

/** Signers whose signature has been looked at: once each, as with a CA's. */
const proven = new WeakSet<Signer>()

/** Throws `internal`: `lint-form`, `lint-header`, `lint-claims`, `lint-outlives-key`, `lint-signature`. */
export async function lintJwtSvid(token: string, expected: ExpectedToken): Promise<void> {
  const { keyId, signer, claims, notAfter } = expected
  const read = readAgain(token)
  const isAsked = read.keyId === keyId && read.algorithm === algorithmFor(signer.kind)
  hold(isAsked, 'header', 'the token is not under the key that it is signed with')
  const isSame = JSON.stringify(read.claims) === JSON.stringify(claims)
  hold(isSame, 'claims', 'the claims are not those asked for')
  const ends = Number(read.claims.exp) * 1000 <= notAfter.getTime()
  hold(ends, 'outlives-key', 'the token would outlive its key')
  if (proven.has(signer)) return
  const isSigned = await verifySignature(token, read, signer.publicKey)
  hold(isSigned, 'signature', 'the key does not sign as its public key says')
  proven.add(signer)
}

function readAgain(token: string): CompactToken {
  try {
    return readCompact(token)
  } catch (cause) {
    throw fault('form', 'the token cannot be read', cause)
  }
}

function hold(condition: boolean, reason: string, message: string): asserts condition {
  if (!condition) throw fault(reason, message)
}

function fault(reason: string, message: string, cause?: unknown): CountersignError {
  return new CountersignError('internal', message, { reason: `lint-${reason}`, cause })
}
