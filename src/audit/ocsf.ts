import { version } from '../runtime/version.ts'
import type { Found } from './search.ts'
import type { StoredRecord } from './stored-record.ts'

/** The version of the Open Cybersecurity Schema Framework that these events are of. */
export const ocsfVersion: string = '1.3.0'

interface Class {
  readonly class_uid: number
  readonly class_name: string
  readonly category_uid: number
  readonly category_name: string
}

const iam = { category_uid: 3, category_name: 'Identity & Access Management' }
const authentication: Class = { class_uid: 3002, class_name: 'Authentication', ...iam }
const authorizeSession: Class = { class_uid: 3003, class_name: 'Authorize Session', ...iam }
const baseEvent: Class = {
  ...{ class_uid: 0, class_name: 'Base Event' },
  ...{ category_uid: 0, category_name: 'Uncategorized' },
}
const logon = { activity_id: 1, activity_name: 'Logon' }
const assignPrivileges = { activity_id: 1, activity_name: 'Assign Privileges' }

/**
 * A record as an OCSF event. Whoever proves itself is Authentication (3002), and a token with scopes Authorize
 * Session (3003); whatever else there is, is a Base Event. Milliseconds for times; the whole line is `unmapped`, its place
 * in the chain and a signed head with it.
 */
export function ocsfEvent({ record, line }: Found): Readonly<Record<string, unknown>> {
  const { n, time, kind, decision, reason, actor, jti, requestId } = record
  const [of, activity] = classify(record)
  const allowed = decision !== 'deny'
  const milliseconds = Date.parse(time)
  return {
    ...of,
    ...activity,
    type_uid: of.class_uid * 100 + activity.activity_id,
    type_name: `${of.class_name}: ${activity.activity_name}`,
    time: milliseconds,
    severity_id: allowed ? 1 : 2,
    severity: allowed ? 'Informational' : 'Low',
    status_id: allowed ? 1 : 2,
    status: allowed ? 'Success' : 'Failure',
    ...(reason !== undefined && { status_detail: reason }),
    message: kind,
    metadata: {
      version: ocsfVersion,
      product: { name: 'Countersign', vendor_name: 'Countersign', version },
      uid: String(n),
      sequence: n,
      event_code: kind,
      log_name: 'audit',
      logged_time: milliseconds,
      ...(requestId !== undefined && { correlation_uid: requestId }),
    },
    ...(actor.address !== undefined && { src_endpoint: endpointOf(actor.address) }),
    ...(of !== baseEvent && membersOf(record, of)),
    ...(jti !== undefined && of === authorizeSession && { session: sessionOf(record) }),
    unmapped: JSON.parse(line) as unknown,
  }
}

type Activity = { readonly activity_id: number; readonly activity_name: string }

function classify({ kind, reason }: StoredRecord): readonly [Class, Activity] {
  switch (kind) {
    case 'token.issued':
    case 'token.exchanged':
      return [authorizeSession, assignPrivileges]
    case 'token.denied':
      // Who was not let in by policy is known; any other has not shown who it is, or nothing that could be granted.
      return reason?.startsWith('policy-') === true
        ? [authorizeSession, assignPrivileges]
        : [authentication, logon]
    case 'agent.attested':
    case 'agent.renewed':
      return [authentication, logon]
    case 'svid.x509.issued':
    case 'svid.jwt.issued':
    case 'access.denied':
      return [authentication, { activity_id: 99, activity_name: kind }]
    default:
      return [baseEvent, { activity_id: 99, activity_name: kind }]
  }
}

function membersOf(record: StoredRecord, of: Class): Readonly<Record<string, unknown>> {
  const { actor, audience, scope = [] } = record
  const user = record.spiffeId ?? record.subject ?? actor.id ?? actor.address ?? 'unknown'
  const common = {
    // 3: System. A workload is nobody's account.
    user: { uid: user, name: user, type_id: 3, type: 'System' },
    ...(actor.id !== undefined && { actor: { user: { uid: actor.id, name: actor.id } } }),
  }
  if (of === authorizeSession) return { ...common, privileges: scope.length > 0 ? scope : ['none'] }
  const method = actor.auth ?? (record.grant === undefined ? 'SPIFFE' : 'OAuth 2.0')
  return {
    ...common,
    service: { name: audience?.[0] ?? 'countersign' },
    auth_protocol_id: 99,
    auth_protocol: method,
    is_mfa: false,
    is_remote: actor.kind !== 'local',
  }
}

function sessionOf({
  jti,
  transaction,
  expiresAt,
  time,
}: StoredRecord): Readonly<Record<string, unknown>> {
  return {
    uid: jti,
    ...(transaction !== undefined && { uid_alt: transaction }),
    created_time: Date.parse(time),
    ...(expiresAt !== undefined && { expiration_time: Date.parse(expiresAt) }),
  }
}

/** `host:port`, the host of an IPv6 address in brackets. */
function endpointOf(address: string): Readonly<Record<string, unknown>> {
  const colon = address.lastIndexOf(':')
  return {
    ip: address.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number(address.slice(colon + 1)),
  }
}
