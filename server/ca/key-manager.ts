import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from 'node:crypto'
import { CountersignError } from '../../src/errors.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { type Signer, softwareSigner, spkiOf } from '../../src/x509/key.ts'
import type { AuthorityKind } from '../store/records.ts'
import { readWrappingKey } from './wrapping-key.ts'

/** What a sealed key is for. It opens only where all of this is the same again. */
export interface KeyContext {
  readonly trustDomain: TrustDomain
  readonly keyId: string
  readonly purpose: AuthorityKind
  /** PKIX SubjectPublicKeyInfo, DER. */
  readonly publicKey: Buffer
}

/** Makes private keys fit to be kept in the store. */
export interface KeyManager {
  seal(privateKey: KeyObject, about: KeyContext): Promise<Buffer>
  /** Throws `conflict` `sealed-key-refused`: another wrapping key, another context, or changed bytes. */
  open(sealed: Buffer, about: KeyContext): Promise<Signer>
  /** 32 bytes for another purpose, the same at each start with the same wrapping key (HKDF-SHA-256, RFC 5869). */
  deriveKey(purpose: string): Buffer
}

/** Seals with the key in this file, which is made where nothing was `written` under it yet. Throws as `readWrappingKey`. */
export async function fileKeyManager(path: string, written = false): Promise<KeyManager> {
  return sealingWith(await readWrappingKey(path, written))
}

/** Seals with a key that ends with the process: what it sealed cannot be opened after a restart. */
export function memoryKeyManager(): KeyManager {
  return sealingWith(randomBytes(32))
}

const format = 1
const nonceLength = 12
const tagLength = 16

/** AES-256-GCM: format byte, nonce, tag, PKCS#8 DER; the context is the associated data. */
function sealingWith(wrappingKey: Buffer): KeyManager {
  return {
    deriveKey: (purpose) =>
      Buffer.from(hkdfSync('sha256', wrappingKey, '', `countersign ${purpose}`, 32)),
    async seal(privateKey, about) {
      const nonce = randomBytes(nonceLength)
      const cipher = createCipheriv('aes-256-gcm', wrappingKey, nonce, { authTagLength: tagLength })
      cipher.setAAD(associatedData(about))
      const plain = privateKey.export({ format: 'der', type: 'pkcs8' })
      const body = Buffer.concat([cipher.update(plain), cipher.final()])
      plain.fill(0)
      return Buffer.concat([Buffer.of(format), nonce, cipher.getAuthTag(), body])
    },
    async open(sealed, about) {
      const plain = decrypt(wrappingKey, sealed, about)
      try {
        const signer = softwareSigner(
          createPrivateKey({ key: plain, format: 'der', type: 'pkcs8' }),
        )
        if (!spkiOf(signer.publicKey).equals(about.publicKey)) throw refused(about, undefined)
        return signer
      } finally {
        plain.fill(0)
      }
    },
  }
}

function decrypt(wrappingKey: Buffer, sealed: Buffer, about: KeyContext): Buffer {
  const start = 1 + nonceLength + tagLength
  if (sealed.length <= start || sealed[0] !== format) throw refused(about, undefined)
  try {
    const decipher = createDecipheriv(
      'aes-256-gcm',
      wrappingKey,
      sealed.subarray(1, 1 + nonceLength),
      { authTagLength: tagLength },
    )
    decipher.setAAD(associatedData(about))
    decipher.setAuthTag(sealed.subarray(1 + nonceLength, start))
    return Buffer.concat([decipher.update(sealed.subarray(start)), decipher.final()])
  } catch (error) {
    throw refused(about, error)
  }
}

/** Each part with its length in front, so that no two contexts give the same bytes. */
function associatedData(about: KeyContext): Buffer {
  const parts = ['countersign authority key', about.trustDomain, about.purpose, about.keyId]
  const bytes = [...parts.map((part) => Buffer.from(part)), about.publicKey]
  return Buffer.concat(
    bytes.flatMap((part) => {
      const length = Buffer.alloc(4)
      length.writeUInt32BE(part.length)
      return [length, part]
    }),
  )
}

function refused(about: KeyContext, cause: unknown): CountersignError {
  return new CountersignError(
    'conflict',
    `the key of the ${about.purpose} authority ${about.keyId} does not open`,
    {
      reason: 'sealed-key-refused',
      fix: 'give the server the wrapping key that it had when this data was written',
      cause,
    },
  )
}
