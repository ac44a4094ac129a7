import { createHash } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { parseCertificate, splitCertificates } from '../x509/certificate.ts'
import { toPem } from '../x509/pem.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printJson, printRecords, relativeTime } from './output.ts'

/** An X.509-SVID on its way to a terminal or a program. */
export interface ShownX509Svid {
  /** DER, leaf first. */
  readonly chain: Buffer
  readonly hint: string
  /** PKCS#8 DER; only where the caller asked for it. */
  readonly key?: Buffer | undefined
  readonly bundle?: Buffer | undefined
}

/** An X.509-SVID as `-o json` prints it. */
export interface X509SvidJson {
  readonly spiffeId: string
  readonly hint: string
  readonly serial: string
  readonly notBefore: string
  readonly expiresAt: string
  readonly dnsNames: readonly string[]
  /** Lower-case hex of the leaf. */
  readonly fingerprintSha256: string
  readonly chainPem: string
  readonly bundlePem?: string
  readonly keyPem?: string
}

export function x509SvidJson(svid: ShownX509Svid): X509SvidJson {
  const chain = splitCertificates(svid.chain)
  const leafDer = chain[0]
  if (leafDer === undefined)
    throw new CountersignError('invalid', 'empty chain', { reason: 'svid' })
  const leaf = parseCertificate(leafDer)
  const pem = (der: readonly Buffer[]): string =>
    der.map((one) => toPem('CERTIFICATE', one)).join('')
  return {
    spiffeId: leaf.uris[0] ?? '',
    hint: svid.hint,
    serial: leaf.serial,
    notBefore: leaf.notBefore.toISOString(),
    expiresAt: leaf.notAfter.toISOString(),
    dnsNames: leaf.dnsNames,
    fingerprintSha256: createHash('sha256').update(leafDer).digest('hex'),
    chainPem: pem(chain),
    ...(svid.bundle === undefined ? {} : { bundlePem: pem(splitCertificates(svid.bundle)) }),
    ...(svid.key === undefined ? {} : { keyPem: toPem('PRIVATE KEY', svid.key) }),
  }
}

/** One after the other, or one JSON array. */
export function printX509Svids(
  io: Io,
  format: OutputFormat,
  svids: readonly ShownX509Svid[],
  now: Date,
): void {
  const shown = svids.map(x509SvidJson)
  if (format === 'json') printJson(io, shown)
  else printRecords(io, shown, (svid) => x509Lines(svid, now))
}

function x509Lines(svid: X509SvidJson, now: Date): readonly (readonly [string, string])[] {
  const certificates = svid.chainPem.split('-----BEGIN').length - 1
  return [
    ['spiffe id', svid.spiffeId],
    ['serial', svid.serial],
    ['valid from', svid.notBefore],
    ['expires', `${svid.expiresAt} (${relativeTime(new Date(svid.expiresAt), now)})`],
    ['hint', svid.hint || '-'],
    ['chain', `${certificates} certificate${certificates === 1 ? '' : 's'}`],
  ]
}

/** A private key never goes to a terminal unasked. */
export function refuseKeyOnTerminal(io: Io, asked: boolean): void {
  if (asked && io.toTerminal) {
    throw new CountersignError('forbidden', 'a private key is not printed to a terminal', {
      reason: 'key-on-terminal',
      fix: 'send it to a file or a program: … --show-key -o json > svid.json',
    })
  }
}

/** A JWT-SVID on its way to a terminal or a program. */
export interface ShownJwtSvid {
  readonly token: string
  readonly spiffeId: string
  readonly hint: string
}

/** A JWT-SVID as `-o json` prints it. */
export interface JwtSvidJson extends ShownJwtSvid {
  readonly audience: readonly unknown[]
  readonly expiresAt: string | null
}

/** With what the token says of itself: nobody has verified it here. */
export function jwtSvidJson({ spiffeId, hint, token }: ShownJwtSvid): JwtSvidJson {
  const { aud, exp } = claimsOf(token)
  return {
    spiffeId,
    hint,
    audience: [aud ?? []].flat(),
    expiresAt: typeof exp === 'number' ? new Date(exp * 1000).toISOString() : null,
    token,
  }
}

/** One after the other, or one JSON array. */
export function printJwtSvids(
  io: Io,
  format: OutputFormat,
  svids: readonly ShownJwtSvid[],
  now: Date,
): void {
  const shown = svids.map(jwtSvidJson)
  if (format === 'json') printJson(io, shown)
  else printRecords(io, shown, (svid) => jwtLines(svid, now))
}

function jwtLines(svid: JwtSvidJson, now: Date): readonly (readonly [string, string])[] {
  const expiresAt = svid.expiresAt === null ? undefined : new Date(svid.expiresAt)
  return [
    ['spiffe id', svid.spiffeId],
    ['audience', svid.audience.join(' ')],
    ['expires', `${svid.expiresAt ?? '-'} (${relativeTime(expiresAt, now)})`],
    ['hint', svid.hint || '-'],
    ['token', svid.token],
  ]
}

function claimsOf(token: string): { readonly aud?: unknown; readonly exp?: unknown } {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')
    const claims: unknown = JSON.parse(payload)
    return typeof claims === 'object' && claims !== null ? { ...claims } : {}
  } catch {
    return {}
  }
}
