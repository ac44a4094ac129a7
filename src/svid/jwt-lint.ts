import { CountersignError } from '../errors.ts'
import { algorithmFor } from '../jwt/algorithm.ts'
import { type CompactToken, readCompact } from '../jwt/compact.ts'
import { verifySignature } from '../jwt/verify.ts'
import type { Signer } from '../x509/key.ts'

// What leaves as a JWT-SVID is compared with what was asked for, and the first of each key is read with the reader that
// is used for strangers: a mistake in the writer, or in a signer outside, becomes an error and not a token.

export interface ExpectedToken {
  readonly keyId: string
  readonly signer: Signer
  readonly claims: Readonly<Record<string, unknown>>
  /** The end of the key: no token outlives it. */
  readonly notAfter: Date
}

/** What all tokens of a signer have alike, of one that was read whole and verified. */
interface Proven {
  readonly header: string
  readonly signatureLength: number
}

const proven = new WeakMap<Signer, Proven>()

/** Throws `internal`: `lint-form`, `lint-header`, `lint-claims`, `lint-outlives-key`, `lint-signature`. */
export async function lintJwtSvid(token: string, expected: ExpectedToken): Promise<void> {
  const { signer, claims, notAfter } = expected
  const ends = Number(claims['exp']) * 1000 <= notAfter.getTime()
  hold(ends, 'outlives-key', 'the token would outlive its key')
  const known = proven.get(signer)
  if (known === undefined) {
    await prove(token, expected)
    const [header = '', , signature = ''] = token.split('.')
    proven.set(signer, { header, signatureLength: signature.length })
    return
  }
  const [header, payload, signature, ...more] = token.split('.')
  const isSound = signature?.length === known.signatureLength && more.length === 0
  hold(isSound, 'form', 'the token cannot be read')
  hold(header === known.header, 'header', 'the token is not under the key that it is signed with')
  const isSame = payload === Buffer.from(JSON.stringify(claims)).toString('base64url')
  hold(isSame, 'claims', 'the claims are not those asked for')
}

async function prove(token: string, { keyId, signer, claims }: ExpectedToken): Promise<void> {
  const read = readAgain(token)
  const isAsked = read.keyId === keyId && read.algorithm === algorithmFor(signer.kind)
  hold(isAsked, 'header', 'the token is not under the key that it is signed with')
  const isSame = JSON.stringify(read.claims) === JSON.stringify(claims)
  hold(isSame, 'claims', 'the claims are not those asked for')
  const isSigned = await verifySignature(token, read, signer.publicKey)
  hold(isSigned, 'signature', 'the key does not sign as its public key says')
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
