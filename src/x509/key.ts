import {
  createPublicKey,
  generateKeyPair as cryptoGenerate,
  hash,
  type KeyObject,
  sign,
} from 'node:crypto'
import { promisify } from 'node:util'
import { CountersignError } from '../errors.ts'
import { createMeetingPoint } from '../runtime/meeting-point.ts'
import { signingAlgorithmFor, signOnPool } from './algorithm.ts'
import { readSpki } from './spki.ts'

export type KeyFamily = 'ec' | 'rsa' | 'ed25519'

export type KeyKind =
  | 'ec-p256'
  | 'ec-p384'
  | 'ec-p521'
  | 'rsa-2048'
  | 'rsa-3072'
  | 'rsa-4096'
  | 'ed25519'

/** A private key that can sign and not be read: in this process, or in a KMS or an HSM. */
export interface Signer {
  readonly publicKey: KeyObject
  readonly kind: KeyKind
  /** Hashes and signs: SHA-256, 384 or 512 by kind; ECDSA as DER, RSA as PKCS#1 v1.5. */
  sign(data: Uint8Array): Promise<Buffer>
}

/** The kind of a public or private key; undefined where it is weak or not used here. */
export function keyKindOf(key: KeyObject): KeyKind | undefined {
  try {
    return readSpki(spkiOf(key)).kind
  } catch {
    return undefined
  }
}

/** SubjectPublicKeyInfo, DER, of a public or private key. */
export function spkiOf(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key
  return publicKey.export({ format: 'der', type: 'spki' })
}

/** RFC 5280 §4.2.1.2 (1): SHA-1 of the subjectPublicKey bits of a SubjectPublicKeyInfo, 20 bytes. Throws `invalid`. */
export function subjectKeyIdOf(spki: Buffer): Buffer {
  return hash('sha1', readSpki(spki).bits, 'buffer')
}

const generate = promisify(cryptoGenerate)

/** A new key pair, made on libuv's pool. RSA takes up to a second. */
export function generateKeyPair(
  kind: KeyKind,
): Promise<{ publicKey: KeyObject; privateKey: KeyObject }> {
  switch (kind) {
    case 'ec-p256':
      return generate('ec', { namedCurve: 'P-256' })
    case 'ec-p384':
      return generate('ec', { namedCurve: 'P-384' })
    case 'ec-p521':
      return generate('ec', { namedCurve: 'P-521' })
    case 'rsa-2048':
      return generate('rsa', { modulusLength: 2048 })
    case 'rsa-3072':
      return generate('rsa', { modulusLength: 3072 })
    case 'rsa-4096':
      return generate('rsa', { modulusLength: 4096 })
    case 'ed25519':
      return generate('ed25519')
  }
}

/** A signer with the key in this process. Throws `invalid`, reason `key-unusable`, for a kind not used here. */
export function softwareSigner(privateKey: KeyObject): Signer {
  const kind = keyKindOf(privateKey)
  if (privateKey.type !== 'private' || kind === undefined) {
    throw new CountersignError('invalid', 'the key is weak, or of a kind that is not used here', {
      reason: 'key-unusable',
    })
  }
  const algorithm = signingAlgorithmFor(kind)
  const publicKey = createPublicKey(privateKey)
  if (kind === 'ec-p256') return { publicKey, kind, sign: signHere(privateKey) }
  return { publicKey, kind, sign: (data) => signOnPool(data, privateKey, algorithm) }
}

/** All signatures of this process on P-256 that are wanted in one turn are made in a row. */
const othersToSign = createMeetingPoint()

/** On this thread, of which it takes less than to hand it over would. */
function signHere(privateKey: KeyObject): Signer['sign'] {
  return async (data) => {
    await othersToSign()
    return sign('sha256', data, privateKey)
  }
}
