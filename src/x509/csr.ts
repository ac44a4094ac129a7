import type { KeyObject } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { signatureAlgorithmOf, signingAlgorithmFor, verifyOnPool } from './algorithm.ts'
import { checkDer, DerReader, malformed, TAG } from './der.ts'
import { bitString, element, integer, oid, sequence, set } from './der-write.ts'
import { extension, nameOf, subjectAltName } from './encode.ts'
import { readExtensions } from './extensions.ts'
import { type AlternativeNames, NO_NAMES } from './general-name.ts'
import { type KeyKind, type Signer, spkiOf } from './key.ts'
import { OID } from './oids.ts'
import { importSpki } from './spki.ts'

/** T6: nothing but the public key and the proof of its possession is to be used for a certificate. */
export interface CertificateRequest {
  readonly publicKey: KeyObject
  readonly kind: KeyKind
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Buffer
  /** What the requester asks for; never more than a wish. */
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  /** The proof of possession. Throws `invalid`, reason `csr-signature`. */
  verify(): Promise<void>
}

const MAX_CSR_BYTES = 16 * 1024
const ATTRIBUTES_TAG = 0xa0

/** A PKCS#10 request (RFC 2986), DER, signed by the key. */
export async function createCsr(key: Signer, options?: { spiffeId?: SpiffeId }): Promise<Buffer> {
  const attributes =
    options?.spiffeId === undefined
      ? []
      : [
          sequence(
            oid(OID.extensionRequest),
            set(sequence(extension(OID.subjectAltName, subjectAltName([options.spiffeId], [])))),
          ),
        ]
  const info = sequence(
    integer(Buffer.of(0)),
    nameOf({}),
    spkiOf(key.publicKey),
    element(ATTRIBUTES_TAG, ...attributes),
  )
  return sequence(info, signingAlgorithmFor(key.kind).der, bitString(await key.sign(info)))
}

/**
 * Reads a PKCS#10 request, DER, of at most 16 KiB. Throws `invalid`: `csr-too-large`,
 * `csr-malformed`, `csr-algorithm`, `csr-key-weak`, `csr-key-unknown`, `csr-key-too-large`,
 * `csr-key-invalid`.
 */
export function parseCsr(der: Uint8Array): CertificateRequest {
  if (der.length > MAX_CSR_BYTES) {
    throw new CountersignError('invalid', 'the certificate request has more than 16 KiB', {
      reason: 'csr-too-large',
    })
  }
  try {
    return readCsr(Buffer.from(der))
  } catch (cause) {
    if (!(cause instanceof CountersignError) || cause.reason.startsWith('csr-')) throw cause
    throw new CountersignError('invalid', `the certificate request is refused: ${cause.message}`, {
      reason: cause.reason === 'der-malformed' ? 'csr-malformed' : `csr-${cause.reason}`,
      cause,
    })
  }
}

function readCsr(der: Buffer): CertificateRequest {
  checkDer(der)
  const request = new DerReader(der).read(TAG.sequence)
  const info = request.whole(TAG.sequence)
  const algorithm = signatureAlgorithmOf(request.whole(TAG.sequence))
  const signature = request.readOctetBitString()
  request.finish()

  const body = new DerReader(info).read(TAG.sequence)
  if (body.readSmallInteger() !== 0) throw malformed('version other than 1')
  body.read(TAG.sequence)
  const spki = body.whole(TAG.sequence)
  const names = readRequestedNames(body)
  body.finish()

  const { key, shape } = importSpki(spki)
  if (shape.kind === undefined) {
    throw new CountersignError('invalid', 'RSA keys here have 2048, 3072 or 4096 bits', {
      reason: 'csr-key-unknown',
    })
  }
  if (algorithm === undefined || algorithm.family !== shape.family) {
    throw new CountersignError('invalid', 'the signature algorithm does not fit the public key', {
      reason: 'csr-algorithm',
    })
  }
  return {
    publicKey: key,
    kind: shape.kind,
    spki,
    uris: names.uris,
    dnsNames: names.dnsNames,
    async verify() {
      if (!(await verifyOnPool(info, key, signature, algorithm))) {
        throw new CountersignError('invalid', 'the certificate request is not signed by its key', {
          reason: 'csr-signature',
        })
      }
    },
  }
}

/** The names of the extensionRequest attribute; other attributes have no meaning here. */
function readRequestedNames(body: DerReader): AlternativeNames {
  // RFC 2986 §4.1 has the attributes always there; some encoders leave an empty set out.
  const attributes = body.maybe(ATTRIBUTES_TAG)
  let names: AlternativeNames | undefined
  while (attributes !== undefined && !attributes.done) {
    const attribute = attributes.read(TAG.sequence)
    const id = attribute.readOid()
    const values = attribute.read(TAG.set)
    attribute.finish()
    if (id !== OID.extensionRequest) continue
    if (names !== undefined) throw malformed('extensions asked for twice')
    names = readExtensions(values.read(TAG.sequence)).names
    values.finish()
  }
  return names ?? NO_NAMES
}
