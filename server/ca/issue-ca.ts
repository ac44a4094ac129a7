import type { AuditEvent } from '../../src/audit/event.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { readCertificate } from '../../src/x509/certificate.ts'
import { type CertificateAuthority, issueIntermediateCa } from '../../src/x509/issue.ts'
import { checkTtl, type IssueAudit } from './issue-x509.ts'
import { backdateSeconds } from './rotation.ts'
import type { CaSettings } from './settings.ts'

/** A CA for a server nested below this one: it signs for the same trust domain. */
export interface DownstreamCaRequest {
  /** SubjectPublicKeyInfo, DER, of a request whose proof of possession was verified. */
  readonly spki: Buffer
  /** 0: as long as an authority of this server. Longer is cut to that, and to the end of the CA. */
  readonly ttlSeconds: number
  readonly audit: IssueAudit
}

export interface IssuedCa {
  /** DER, without the root. */
  readonly chain: readonly Buffer[]
  /** Lower-case hex, no leading zeros. */
  readonly serial: string
  readonly expiresAt: Date
}

/** Signs and lints one. Throws `invalid` (`svid-ttl`, `ca-path-length`, `certificate-lifetime`, `lint-…`). */
export async function signDownstreamCa(
  request: DownstreamCaRequest,
  ca: CertificateAuthority,
  settings: CaSettings,
  now: Date,
): Promise<IssuedCa> {
  const asked = request.ttlSeconds === 0 ? settings.caTtlSeconds : request.ttlSeconds
  checkTtl(asked)
  const ttlSeconds = Math.min(asked, settings.caTtlSeconds)
  const der = await issueIntermediateCa(
    {
      trustDomain: settings.trustDomain,
      spki: request.spki,
      notBefore: new Date(now.getTime() - backdateSeconds * 1000),
      notAfter: new Date(now.getTime() + ttlSeconds * 1000),
    },
    ca,
  )
  const { serial, notAfter } = readCertificate(der)
  return { chain: [der], serial, expiresAt: notAfter }
}

export function downstreamCaEvent(
  request: DownstreamCaRequest,
  issued: IssuedCa,
  settings: CaSettings,
  authorityId: string,
  now: Date,
): AuditEvent {
  return {
    kind: 'ca.downstream.issued',
    time: now,
    ...request.audit,
    spiffeId: TrustDomain.toId(settings.trustDomain),
    serial: issued.serial,
    authorityId,
    expiresAt: issued.expiresAt,
    decision: 'allow',
  }
}
