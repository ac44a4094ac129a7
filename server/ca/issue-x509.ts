import type { AuditActor, AuditEvent } from '../../src/audit/event.ts'
import { asCountersignError, CountersignError } from '../../src/errors.ts'
import { isReserved, serverId } from '../../src/spiffe-id/reserved.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { type CertificateAuthority, signLeaf } from '../../src/x509/issue.ts'
import { backdateSeconds } from './rotation.ts'
import type { CaSettings } from './settings.ts'

/** What goes on record beside the SVID itself. */
export interface IssueAudit {
  /** Who asked. */
  readonly actor: AuditActor
  readonly entryId?: string | undefined
  readonly owner?: string | undefined
  readonly purpose?: string | undefined
  readonly requestId?: string | undefined
  readonly grant?: AuditEvent['grant']
  readonly trace?: AuditEvent['trace']
  /** Whose token it was issued for, as its issuer names it. */
  readonly subject?: AuditEvent['subject']
  readonly details?: AuditEvent['details']
}

export interface X509Request {
  readonly spiffeId: SpiffeId
  /** SubjectPublicKeyInfo, DER, of a request whose proof of possession was verified. */
  readonly spki: Buffer
  readonly dnsNames?: readonly string[]
  /** 0: the server's default for the kind. */
  readonly ttlSeconds: number
  /** The end of what it is issued for, where it is not to live longer. */
  readonly notAfter?: Date | undefined
  /** What the name may be: `agent` below `/spire/agent`, `server` the server's own, `workload` neither. */
  readonly kind: 'workload' | 'agent' | 'server'
  readonly audit: IssueAudit
}

/** A request that may still be in the making, or what was found wrong with it. It never rejects. */
export type AskedX509 = X509Request | Promise<X509Request | CountersignError>

export interface IssuedX509 {
  readonly spiffeId: SpiffeId
  /** DER, leaf first, without the root. */
  readonly chain: readonly Buffer[]
  /** Lower-case hex, no leading zeros. */
  readonly serial: string
  readonly notBefore: Date
  readonly expiresAt: Date
}

/** Signs and lints one leaf. Throws `invalid` (`svid-…`, `lint-…`) or `forbidden` (`svid-foreign`, `svid-reserved`). */
export async function signX509(
  request: X509Request,
  ca: CertificateAuthority,
  settings: CaSettings,
  now: Date,
): Promise<IssuedX509> {
  checkName(request, settings.trustDomain)
  const ttlSeconds = request.ttlSeconds === 0 ? defaultTtl(request, settings) : request.ttlSeconds
  checkTtl(ttlSeconds)
  const end = endOf(now, ttlSeconds, request.notAfter)
  const { der, serial, notBefore, notAfter } = await signLeaf(
    {
      spiffeId: request.spiffeId,
      spki: request.spki,
      dnsNames: request.dnsNames ?? [],
      notBefore: new Date(now.getTime() - backdateSeconds * 1000),
      notAfter: end,
    },
    ca,
  )
  return { spiffeId: request.spiffeId, chain: [der], serial, notBefore, expiresAt: notAfter }
}

/** Throws `forbidden`: `svid-foreign`, `svid-reserved`. */
export function checkName(
  { spiffeId, kind }: Pick<X509Request, 'spiffeId' | 'kind'>,
  trustDomain: TrustDomain,
): void {
  checkOwn(spiffeId, trustDomain)
  const path = SpiffeId.pathOf(spiffeId)
  const fits = {
    workload: path !== '' && !isReserved(spiffeId),
    agent: path.startsWith('/spire/agent/'),
    server: spiffeId === serverId(trustDomain),
  }
  if (!fits[kind]) {
    throw new CountersignError('forbidden', `this name is not one for a ${kind}`, {
      reason: 'svid-reserved',
      ...(kind === 'workload' && {
        fix: `give one with a path that is not below /spire, as spiffe://${trustDomain}/service`,
      }),
    })
  }
}

function checkOwn(spiffeId: SpiffeId, trustDomain: TrustDomain): void {
  if (SpiffeId.trustDomainOf(spiffeId) !== trustDomain) {
    throw new CountersignError('forbidden', 'the name belongs to another trust domain', {
      reason: 'svid-foreign',
    })
  }
}

/** Throws `invalid` `svid-ttl`. */
export function checkTtl(ttlSeconds: number): void {
  if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1) {
    throw new CountersignError('invalid', 'a time to live is a whole number of seconds', {
      reason: 'svid-ttl',
    })
  }
}

/** Throws `unauthenticated` `svid-ending` where less than a second would be left. */
export function endOf(now: Date, ttlSeconds: number, notAfter: Date | undefined): Date {
  const end = Math.min(now.getTime() + ttlSeconds * 1000, notAfter?.getTime() ?? Infinity)
  if (end - now.getTime() < 1000) {
    throw new CountersignError('unauthenticated', 'what it is issued for is about to end', {
      reason: 'svid-ending',
    })
  }
  return new Date(end)
}

function defaultTtl({ kind }: X509Request, settings: CaSettings): number {
  return kind === 'agent' ? settings.agentTtlSeconds : settings.x509SvidTtlSeconds
}

/** What was signed, beside what was asked for. */
export interface AnsweredX509 {
  readonly request: X509Request
  readonly issued: IssuedX509
}

/** Signs all side by side, each as soon as it is there; what is wrong with one request is its own answer. */
export function signX509Batch(
  asked: readonly AskedX509[],
  ca: CertificateAuthority,
  settings: CaSettings,
  now: Date,
): Promise<readonly (AnsweredX509 | CountersignError)[]> {
  return Promise.all(
    asked.map(async (one) => {
      const request = await one
      if (request instanceof CountersignError) return request
      try {
        return { request, issued: await signX509(request, ca, settings, now) }
      } catch (error) {
        return asCountersignError(error)
      }
    }),
  )
}

export function x509Event(
  request: X509Request,
  issued: IssuedX509,
  authorityId: string,
  now: Date,
): AuditEvent {
  return {
    kind: 'svid.x509.issued',
    time: now,
    ...request.audit,
    spiffeId: issued.spiffeId,
    serial: issued.serial,
    ttlSeconds: secondsBetween(now, issued.expiresAt),
    authorityId,
    expiresAt: issued.expiresAt,
    decision: 'allow',
    details: { ...request.audit.details, for: request.kind },
  }
}

/** Whole ones. */
export function secondsBetween(from: Date, to: Date): number {
  return Math.floor((to.getTime() - from.getTime()) / 1000)
}
