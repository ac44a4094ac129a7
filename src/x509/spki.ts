import { createPublicKey, type KeyObject } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { DerReader, malformed, TAG } from './der.ts'
import { derNull, oid, sequence } from './der-write.ts'
import type { KeyFamily, KeyKind } from './key.ts'
import { OID } from './oids.ts'

/** What a SubjectPublicKeyInfo says, before any cryptography is done with it. */
export interface PublicKeyShape {
  readonly family: KeyFamily
  /** undefined for RSA keys of a size that certificates of others may have and ours have not. */
  readonly kind: KeyKind | undefined
  /** The subjectPublicKey bits. */
  readonly bits: Buffer
}

interface Curve {
  readonly kind: KeyKind
  readonly pointBytes: number
}

const curves = new Map<string, Curve>(
  [
    { dotted: OID.p256, kind: 'ec-p256' as const, pointBytes: 65 },
    { dotted: OID.p384, kind: 'ec-p384' as const, pointBytes: 97 },
    { dotted: OID.p521, kind: 'ec-p521' as const, pointBytes: 133 },
  ].map(({ dotted, ...curve }) => [latin1(sequence(oid(OID.ecPublicKey), oid(dotted))), curve]),
)
const RSA = latin1(sequence(oid(OID.rsaEncryption), derNull()))
const ED25519 = latin1(sequence(oid(OID.ed25519)))

const MIN_RSA_BITS = 2048
// Our own keys end at 4096; roots of others may be larger, and still cost little to verify with.
const MAX_RSA_BITS = 8192
const MIN_RSA_EXPONENT = 65537

function latin1(bytes: Buffer): string {
  return bytes.toString('latin1')
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}

/**
 * Reads a SubjectPublicKeyInfo, DER. Throws `invalid`: `der-malformed`, `key-unknown` (an algorithm
 * or curve that we do not use), `key-weak` (RSA below 2048 bits, or an odd exponent), `key-too-large`.
 */
export function readSpki(spki: Buffer): PublicKeyShape {
  const outer = new DerReader(spki)
  const info = outer.read(TAG.sequence)
  outer.finish()
  const algorithm = latin1(info.whole(TAG.sequence))
  const bits = info.readOctetBitString()
  info.finish()
  const curve = curves.get(algorithm)
  if (curve !== undefined) {
    // 04: uncompressed, the only form that RFC 5480 §2.2 obliges everyone to read.
    if (bits.length !== curve.pointBytes || bits[0] !== 4) throw malformed('point')
    return { family: 'ec', kind: curve.kind, bits }
  }
  if (algorithm === RSA) return { family: 'rsa', kind: rsaKind(bits), bits }
  if (algorithm === ED25519) {
    if (bits.length !== 32) throw malformed('Ed25519 key')
    return { family: 'ed25519', kind: 'ed25519', bits }
  }
  return refuse('key-unknown', 'the public key is of an algorithm that is not used here')
}

function rsaKind(bits: Buffer): KeyKind | undefined {
  const outer = new DerReader(bits)
  const key = outer.read(TAG.sequence)
  outer.finish()
  const modulus = key.readInteger()
  const exponent = key.readInteger()
  key.finish()
  const size = bitLength(modulus)
  if (size < MIN_RSA_BITS) refuse('key-weak', 'an RSA key needs at least 2048 bits')
  if (size > MAX_RSA_BITS) refuse('key-too-large', 'the RSA key is too large')
  if (((modulus.at(-1) ?? 0) & 1) === 0) refuse('key-weak', 'an RSA modulus is odd')
  const exponentBits = bitLength(exponent)
  if (exponentBits > 31) refuse('key-too-large', 'the exponent of the RSA key is too large')
  const value = exponentBits === 0 ? 0 : exponent.readUIntBE(0, exponent.length)
  if (value < MIN_RSA_EXPONENT || value % 2 === 0) {
    refuse('key-weak', 'the exponent of an RSA key is odd and at least 65537')
  }
  return size === 2048
    ? 'rsa-2048'
    : size === 3072
      ? 'rsa-3072'
      : size === 4096
        ? 'rsa-4096'
        : undefined
}

/** 0 for zero and for negative integers. */
function bitLength(content: Buffer): number {
  if ((content[0] ?? 0x80) >= 0x80) return 0
  const start = content[0] === 0 ? 1 : 0
  const first = content[start]
  return first === undefined ? 0 : (content.length - start) * 8 - (Math.clz32(first) - 24)
}

/** What a PEM reader takes as one line; keys on curves fit. */
const maxLineBytes = 180

/** Node 24 takes 68 µs for a key as DER, since it first asks the options object what it is, and 33 µs as PEM. */
function importable(spki: Buffer): Parameters<typeof createPublicKey>[0] {
  return spki.length > maxLineBytes
    ? { key: spki, format: 'der', type: 'spki' }
    : `-----BEGIN PUBLIC KEY-----\n${spki.toString('base64')}\n-----END PUBLIC KEY-----\n`
}

/** The key of a SubjectPublicKeyInfo; a point off its curve is refused. Throws `invalid`. */
export function importSpki(spki: Buffer): {
  readonly key: KeyObject
  readonly shape: PublicKeyShape
} {
  const shape = readSpki(spki)
  try {
    return { key: createPublicKey(importable(spki)), shape }
  } catch (cause) {
    throw new CountersignError('invalid', 'the public key is not valid', {
      reason: 'key-invalid',
      cause,
    })
  }
}
