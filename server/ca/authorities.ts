import { CountersignError } from '../../src/errors.ts'
import { wholeSeconds } from '../../src/runtime/instant.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import type { CertificateAuthority } from '../../src/x509/issue.ts'
import { issueRootCa } from '../../src/x509/issue.ts'
import {
  generateKeyPair,
  type KeyKind,
  type Signer,
  softwareSigner,
  spkiOf,
  subjectKeyIdOf,
} from '../../src/x509/key.ts'
import type { AuthorityKind, AuthorityRecord } from '../store/records.ts'
import type { KeyManager } from './key-manager.ts'
import { backdateSeconds } from './rotation.ts'
import type { JwtKind } from './settings.ts'

/** A JWT key that signs. */
export interface JwtKey {
  readonly keyId: string
  readonly signer: Signer
  readonly notAfter: Date
}

/** What the trust domain signs with, as one value that is replaced whole. */
export interface Authorities {
  readonly records: readonly AuthorityRecord[]
  readonly x509: { readonly id: string; readonly authority: CertificateAuthority } | undefined
  readonly jwt: Readonly<Partial<Record<JwtKind, JwtKey>>>
}

export const noAuthorities: Authorities = { records: [], x509: undefined, jwt: {} }

/** A new authority in the slot `prepared`, its key made and sealed. */
export async function createAuthority(options: {
  readonly trustDomain: TrustDomain
  readonly kind: AuthorityKind
  readonly keyKind: KeyKind
  readonly keys: KeyManager
  readonly now: Date
  readonly ttlSeconds: number
}): Promise<AuthorityRecord> {
  const { trustDomain, kind, keyKind, now } = options
  const { privateKey } = await generateKeyPair(keyKind)
  const signer = softwareSigner(privateKey)
  const publicKey = spkiOf(signer.publicKey)
  const createdMs = wholeSeconds(now).getTime()
  const notBefore = new Date(createdMs - backdateSeconds * 1000)
  const notAfter = new Date(createdMs + options.ttlSeconds * 1000)
  // A JWT key is named as a certificate's is: by its public key, so that no two share a name.
  const id = subjectKeyIdOf(publicKey).toString('hex')
  const certificate =
    kind === 'x509'
      ? await issueRootCa({ trustDomain, signer, notBefore, notAfter })
      : Buffer.alloc(0)
  const sealedKey = await options.keys.seal(privateKey, {
    trustDomain,
    keyId: id,
    purpose: kind,
    publicKey,
  })
  return {
    id,
    kind,
    slot: 'prepared',
    keyKind,
    publicKey,
    certificate,
    sealedKey,
    notBefore,
    notAfter,
    tainted: false,
  }
}

/**
 * Opens what is in the store. A key that was open in `before` stays as it is, so that what is derived
 * from it is kept. A prepared key is opened too: one that cannot be must be known before it is needed.
 * Throws `conflict`: `sealed-key-refused`, `authority-slots`, `authority-certificate`.
 */
export async function openAuthorities(
  trustDomain: TrustDomain,
  records: readonly AuthorityRecord[],
  keys: KeyManager,
  before: Authorities = noAuthorities,
): Promise<Authorities> {
  const open = async (kind: AuthorityKind): Promise<[AuthorityRecord, Signer] | undefined> => {
    const signing = records.filter((record) => record.kind === kind && record.slot !== 'old')
    const opened = await Promise.all(
      signing.map(async (record) => [record, await openSigner(trustDomain, record, keys)] as const),
    )
    const active = opened.filter(([record]) => record.slot === 'active')
    if (active.length > 1) {
      throw new CountersignError('conflict', `there are two active ${kind} authorities`, {
        reason: 'authority-slots',
      })
    }
    return active[0] === undefined ? undefined : [...active[0]]
  }
  const x509 = await open('x509')
  const jwt: Partial<Record<JwtKind, JwtKey>> = {}
  for (const kind of ['jwt', 'jwt-rs256', 'oauth', 'feed', 'events', 'trail'] as const) {
    const active = await open(kind)
    if (active !== undefined) jwt[kind] = keepJwt(active, before.jwt[kind])
  }
  return { records, x509: x509 === undefined ? undefined : keepX509(x509, before), jwt }
}

async function openSigner(
  trustDomain: TrustDomain,
  record: AuthorityRecord,
  keys: KeyManager,
): Promise<Signer> {
  return keys.open(record.sealedKey, {
    trustDomain,
    keyId: record.id,
    purpose: record.kind,
    publicKey: record.publicKey,
  })
}

function keepX509(
  [record, signer]: readonly [AuthorityRecord, Signer],
  before: Authorities,
): Authorities['x509'] {
  const known = before.x509
  if (known?.authority.certificate.der.equals(record.certificate)) return known
  const certificate = parseCertificate(record.certificate)
  if (!certificate.spki.equals(record.publicKey)) {
    throw new CountersignError('conflict', 'the CA certificate is not the one of the CA key', {
      reason: 'authority-certificate',
    })
  }
  return { id: record.id, authority: { certificate, signer } }
}

function keepJwt(
  [record, signer]: readonly [AuthorityRecord, Signer],
  before: JwtKey | undefined,
): JwtKey {
  if (before?.keyId === record.id) return before
  return { keyId: record.id, signer, notAfter: record.notAfter }
}
