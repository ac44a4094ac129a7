import type { StoredRecord } from '../audit/stored-record.ts'
import { printable } from './output.ts'

/** The columns of an export, in order; what a column holds several of has blanks between. */
const columns: Readonly<Record<string, (record: StoredRecord) => unknown>> = {
  n: ({ n }) => n,
  time: ({ time }) => time,
  kind: ({ kind }) => kind,
  decision: ({ decision }) => decision,
  reason: ({ reason }) => reason,
  actor_kind: ({ actor }) => actor.kind,
  actor_id: ({ actor }) => actor.id,
  actor_node: ({ actor }) => actor.node,
  actor_auth: ({ actor }) => actor.auth,
  actor_address: ({ actor }) => actor.address,
  actor_uid: ({ actor }) => actor.uid,
  actor_serial: ({ actor }) => actor.serial,
  actor_thumbprint: ({ actor }) => actor.thumbprint,
  spiffe_id: ({ spiffeId }) => spiffeId,
  subject: ({ subject }) => subject,
  actors: ({ actors }) => actors,
  transaction: ({ transaction }) => transaction,
  jti: ({ jti }) => jti,
  parent_jti: ({ parentJti }) => parentJti,
  entry_id: ({ entryId }) => entryId,
  owner: ({ owner }) => owner,
  purpose: ({ purpose }) => purpose,
  serial: ({ serial }) => serial,
  grant: ({ grant }) => grant,
  audience: ({ audience }) => audience,
  scope: ({ scope }) => scope,
  ttl_seconds: ({ ttlSeconds }) => ttlSeconds,
  confirmation: ({ confirmation }) => confirmation,
  expires_at: ({ expiresAt }) => expiresAt,
  authority_id: ({ authorityId }) => authorityId,
  resource_owner: ({ resourceOwner }) => resourceOwner,
  policies: ({ policies }) => policies,
  policy_revision: ({ policyRevision }) => policyRevision,
  request_id: ({ requestId }) => requestId,
  trace: ({ trace }) => trace,
  details: ({ details }) => (details === undefined ? undefined : JSON.stringify(details)),
  // Newer ones at the end: who reads by place goes on as before.
  actor_entry_id: ({ actor }) => actor.entryId,
  actor_owner: ({ actor }) => actor.owner,
  actor_pid: ({ actor }) => actor.pid,
  cached: ({ cached }) => cached,
}

/** RFC 4180 §2, with its CRLF. */
export const csvHeader: string = `${Object.keys(columns).join(',')}\r\n`

export function csvLine(record: StoredRecord): string {
  return `${Object.values(columns)
    .map((read) => cell(read(record)))
    .join(',')}\r\n`
}

/**
 * What a spreadsheet would take for a formula, by whatever separator it reads, gets an apostrophe: others choose what stands
 * in a record. Tabs and line ends are escaped by `printable`.
 */
function cell(value: unknown): string {
  const text = printable(Array.isArray(value) ? value.join(' ') : String(value ?? ''))
  const safe = text.replaceAll(/(^|[;|])(\s*[=+\-@＝＋－＠])/g, "$1'$2")
  return /[",;]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
