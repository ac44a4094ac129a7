import { CountersignError } from '../errors.ts'
import type { Signer } from '../x509/key.ts'
import { algorithmFor, coordinateBytesOf, signatureBytesOf } from './algorithm.ts'
import { MAX_TOKEN_BYTES } from './compact.ts'
import { derToP1363 } from './ecdsa.ts'

/** What a JWS of ours is (RFC 8725 §3.11): none is taken for one of another type. */
export type TokenType =
  | 'JWT'
  | 'at+jwt'
  | 'token-introspection+jwt'
  | 'trail-head+jwt'
  | 'revocation-feed+jwt'
  | 'secevent+jwt'

/**
 * Signs claims as a compact JWS with the header `{alg, kid, typ}`, `JWT` (JWT-SVID §2) unless told. The key may
 * be one that never leaves a KMS. Throws `invalid`, reasons `key-kind-not-for-jwt`,
 * `token-key-id-missing` and `token-too-large`; `internal`, reason `signature-malformed`.
 */
export async function signCompact(
  signer: Signer,
  keyId: string,
  claims: Record<string, unknown>,
  typ: TokenType = 'JWT',
): Promise<string> {
  const alg = algorithmFor(signer.kind)
  if (keyId === '') {
    throw new CountersignError('invalid', 'a token is signed under a key id', {
      reason: 'token-key-id-missing',
    })
  }
  const signed = `${headerOf(alg, keyId, typ)}.${encode(claims)}`
  const signatureBytes = signatureBytesOf(alg, signer.publicKey)
  // Nobody gets a token that no verifier of ours would read.
  if (signed.length + 1 + Math.ceil((signatureBytes * 4) / 3) > MAX_TOKEN_BYTES) {
    throw new CountersignError('invalid', `a token has at most ${MAX_TOKEN_BYTES} bytes`, {
      reason: 'token-too-large',
    })
  }
  const raw = await signer.sign(Buffer.from(signed, 'latin1'))
  const coordinateBytes = coordinateBytesOf(alg)
  const signature = coordinateBytes === undefined ? raw : derToP1363(raw, coordinateBytes)
  if (signature.length !== signatureBytes) {
    throw new CountersignError('internal', 'the signer answered with a malformed signature', {
      reason: 'signature-malformed',
    })
  }
  return `${signed}.${signature.toString('base64url')}`
}

const headers = new Map<string, string>()
const maxHeaders = 64

/** The same for all that one key signs as one type. */
function headerOf(alg: string, keyId: string, typ: TokenType): string {
  const name = `${alg} ${typ} ${keyId}`
  const known = headers.get(name)
  if (known !== undefined) return known
  const header = encode({ alg, kid: keyId, typ })
  if (headers.size >= maxHeaders) headers.clear()
  headers.set(name, header)
  return header
}

function encode(value: Record<string, unknown>): string {
  return Buffer.from(JSON.stringify(value), 'utf8').toString('base64url')
}
