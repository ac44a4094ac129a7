import { createHash } from 'node:crypto'
import { CountersignError } from '../errors.ts'
import { parseCertificate, splitCertificates } from '../x509/certificate.ts'
import { toPem } from '../x509/pem.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printRecord, relativeTime } from './output.ts'

/** An X.509-SVID on its way to a terminal or a program. */
export interface ShownX509Svid {
  /** DER, leaf first. */
  readonly chain: Buffer
  readonly hint: string
  /** PKCS#8 DER; only where the caller asked for it. */
  readonly key?: Buffer | undefined
  readonly bundle?: Buffer | undefined
}

export function printX509Svid(io: Io, format: OutputFormat, svid: ShownX509Svid, now: Date): void {
  const chain = splitCertificates(svid.chain)
  const leafDer = chain[0]
  if (leafDer === undefined)
    throw new CountersignError('invalid', 'empty chain', { reason: 'svid' })
  const leaf = parseCertificate(leafDer)
  const pem = (der: readonly Buffer[]): string =>
    der.map((one) => toPem('CERTIFICATE', one)).join('')
  const json = {
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
  printRecord(io, format, json, [
    ['spiffe id', json.spiffeId],
    ['serial', json.serial],
    ['valid from', json.notBefore],
    ['expires', `${json.expiresAt} (${relativeTime(leaf.notAfter, now)})`],
    ['hint', svid.hint || '-'],
    ['chain', `${chain.length} certificate${chain.length === 1 ? '' : 's'}`],
  ])
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

/** What a token says of itself, for show: nobody has verified it here. */
export function printJwtSvid(
  io: Io,
  format: OutputFormat,
  svid: { readonly token: string; readonly spiffeId: string; readonly hint: string },
  now: Date,
): void {
  const claims = claimsOf(svid.token)
  const expiresAt = typeof claims['exp'] === 'number' ? new Date(claims['exp'] * 1000) : undefined
  const json = {
    spiffeId: svid.spiffeId,
    hint: svid.hint,
    audience: claims['aud'],
    expiresAt: expiresAt?.toISOString() ?? null,
    token: svid.token,
  }
  printRecord(io, format, json, [
    ['spiffe id', json.spiffeId],
    ['audience', [claims['aud']].flat().join(' ')],
    ['expires', `${json.expiresAt} (${relativeTime(expiresAt, now)})`],
    ['hint', svid.hint || '-'],
    ['token', svid.token],
  ])
}

function claimsOf(token: string): Readonly<Record<string, unknown>> {
  try {
    const payload = Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')
    const claims: unknown = JSON.parse(payload)
    return typeof claims === 'object' && claims !== null ? { ...claims } : {}
  } catch {
    return {}
  }
}
