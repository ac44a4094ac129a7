import type { AuditActor, AuditEvent } from './event.ts'
import { withoutEncoded, withoutSecrets } from './secret-look.ts'
import { isSignedHead } from './signed-head.ts'
import { readTraceparent } from './traceparent.ts'

const thumbprint = /^[A-Za-z0-9_-]{43}$/

/**
 * An event as it stands in a line. Known members in a fixed order, so that a caller cannot put anything else
 * on record, and no text that looks like a credential. SPIFFE IDs, times and numbers are what they are.
 */
export function recordOf(event: AuditEvent): Readonly<Record<string, unknown>> {
  return {
    time: event.time.toISOString(),
    kind: event.kind,
    actor: actorOf(event.actor),
    spiffeId: id(event.spiffeId),
    subject: text(event.subject),
    actors: texts(event.actors),
    transaction: name(event.transaction),
    parentJti: name(event.parentJti),
    entryId: name(event.entryId),
    serial: name(event.serial),
    jti: name(event.jti),
    grant: text(event.grant),
    audience: texts(event.audience),
    scope: texts(event.scope),
    ttlSeconds: event.ttlSeconds,
    confirmation: sha256(event.confirmation),
    authorityId: name(event.authorityId),
    expiresAt: event.expiresAt?.toISOString(),
    owner: text(event.owner),
    purpose: text(event.purpose),
    resourceOwner: text(event.resourceOwner),
    decision: event.decision,
    reason: text(event.reason),
    policies: texts(event.policies),
    policyRevision: text(event.policyRevision),
    cached: event.cached,
    requestId: text(event.requestId),
    trace: readTraceparent(event.trace),
    signedHead: headOf(event),
    details: event.details === undefined ? undefined : detailsOf(event.details),
  }
}

function actorOf(actor: AuditActor): Readonly<Record<string, unknown>> {
  return {
    kind: actor.kind,
    id: id(actor.id),
    entryId: name(actor.entryId),
    owner: text(actor.owner),
    node: id(actor.node),
    auth: text(actor.auth),
    uid: actor.uid,
    pid: actor.pid,
    address: text(actor.address),
    serial: name(actor.serial),
    thumbprint: sha256(actor.thumbprint),
  }
}

function detailsOf(
  details: NonNullable<AuditEvent['details']>,
): Readonly<Record<string, string | number | boolean>> {
  const found: Record<string, string | number | boolean> = {}
  for (const [key, value] of Object.entries(details)) {
    found[key] =
      typeof value === 'string' ? (key === 'path' ? path(value) : withoutSecrets(value)) : value
  }
  return found
}

/** By its header: no token of ours has that type, and none of its type is taken for a token. */
function headOf({ kind, signedHead }: AuditEvent): string | undefined {
  return kind === 'trail.head' && signedHead !== undefined && isSignedHead(signedHead)
    ? signedHead
    : undefined
}

/** Many words: as one, each long path would look like what chance has spelt, and hide what was called. */
function path(value: string): string {
  return value.split('/').map(withoutSecrets).join('/')
}

function text(value: string | undefined): string | undefined {
  return value === undefined ? undefined : withoutSecrets(value)
}

function texts(values: readonly string[] | undefined): readonly string[] | undefined {
  return values?.map(withoutSecrets)
}

function name(value: string | undefined): string | undefined {
  return value === undefined ? undefined : withoutEncoded(value)
}
const id = name

function sha256(value: string | undefined): string | undefined {
  return value !== undefined && thumbprint.test(value) ? value : undefined
}
