import { sign as cryptoSign, verify as cryptoVerify, type KeyObject } from 'node:crypto'
import { DerReader, TAG } from './der.ts'
import { derNull, oid, sequence } from './der-write.ts'
import type { KeyFamily, KeyKind } from './key.ts'
import { OID } from './oids.ts'

/** A signature algorithm as X.509 writes it, with the keys that it fits. */
export interface SignatureAlgorithm {
  readonly name: string
  readonly family: KeyFamily
  /** undefined where the algorithm brings its own. */
  readonly hash: 'sha256' | 'sha384' | 'sha512' | undefined
  /** AlgorithmIdentifier, DER. There is one right encoding, so that equal bytes are the whole check. */
  readonly der: Buffer
}

// RFC 8017 §A.2.4 wants NULL parameters, RFC 5758 §3.2 and RFC 8410 §3 want none.
const rsa = (dotted: string): Buffer => sequence(oid(dotted), derNull())
const bare = (dotted: string): Buffer => sequence(oid(dotted))

const algorithms: readonly SignatureAlgorithm[] = [
  {
    name: 'ecdsa-with-SHA256',
    family: 'ec',
    hash: 'sha256',
    der: bare(OID.ecdsaWithSha256),
  },
  {
    name: 'ecdsa-with-SHA384',
    family: 'ec',
    hash: 'sha384',
    der: bare(OID.ecdsaWithSha384),
  },
  {
    name: 'ecdsa-with-SHA512',
    family: 'ec',
    hash: 'sha512',
    der: bare(OID.ecdsaWithSha512),
  },
  {
    name: 'sha256WithRSAEncryption',
    family: 'rsa',
    hash: 'sha256',
    der: rsa(OID.sha256WithRsa),
  },
  {
    name: 'sha384WithRSAEncryption',
    family: 'rsa',
    hash: 'sha384',
    der: rsa(OID.sha384WithRsa),
  },
  {
    name: 'sha512WithRSAEncryption',
    family: 'rsa',
    hash: 'sha512',
    der: rsa(OID.sha512WithRsa),
  },
  { name: 'Ed25519', family: 'ed25519', hash: undefined, der: bare(OID.ed25519) },
]

const byDer = new Map(algorithms.map((algorithm) => [algorithm.der.toString('latin1'), algorithm]))

/** The algorithm of an AlgorithmIdentifier, DER; undefined where we do not use it (SHA-1, PSS, …). */
export function signatureAlgorithmOf(identifier: Buffer): SignatureAlgorithm | undefined {
  return byDer.get(identifier.toString('latin1'))
}

const hashes: Readonly<Record<KeyKind, SignatureAlgorithm['hash']>> = {
  'ec-p256': 'sha256',
  'ec-p384': 'sha384',
  'ec-p521': 'sha512',
  'rsa-2048': 'sha256',
  'rsa-3072': 'sha256',
  'rsa-4096': 'sha256',
  ed25519: undefined,
}

/** The one algorithm that we sign with, by kind of key. */
export function signingAlgorithmFor(kind: KeyKind): SignatureAlgorithm {
  const family = kind.startsWith('rsa') ? 'rsa' : kind.startsWith('ec-') ? 'ec' : 'ed25519'
  const found = algorithms.find((a) => a.family === family && a.hash === hashes[kind])
  if (found === undefined) throw new TypeError(`no signature algorithm for ${kind}`)
  return found
}

/** Signs on libuv's pool. ECDSA as DER, RSA as PKCS#1 v1.5. */
export function signOnPool(
  data: Uint8Array,
  key: KeyObject,
  algorithm: SignatureAlgorithm,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    cryptoSign(algorithm.hash ?? null, data, key, (error, signature) =>
      error === null ? resolve(signature) : reject(error),
    )
  })
}

/** Verifies on libuv's pool. The algorithm must already fit the key's family. */
export function verifyOnPool(
  data: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
  algorithm: SignatureAlgorithm,
): Promise<boolean> {
  if (!isSignatureShape(signature, algorithm)) return Promise.resolve(false)
  return new Promise((resolve, reject) => {
    cryptoVerify(algorithm.hash ?? null, data, key, signature, (error, good) =>
      error === null ? resolve(good) : reject(error),
    )
  })
}

export function verifyNow(
  data: Uint8Array,
  key: KeyObject,
  signature: Uint8Array,
  algorithm: SignatureAlgorithm,
): boolean {
  return (
    isSignatureShape(signature, algorithm) &&
    cryptoVerify(algorithm.hash ?? null, data, key, signature)
  )
}

/** ECDSA-Sig-Value must be strict DER too, or one signature has many spellings. */
function isSignatureShape(signature: Uint8Array, algorithm: SignatureAlgorithm): boolean {
  if (algorithm.family !== 'ec') return true
  try {
    const outer = new DerReader(Buffer.from(signature))
    const pair = outer.read(TAG.sequence)
    const r = pair.readInteger()
    const s = pair.readInteger()
    pair.finish()
    outer.finish()
    return (r[0] ?? 0x80) < 0x80 && (s[0] ?? 0x80) < 0x80
  } catch {
    return false
  }
}
