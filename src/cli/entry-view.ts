import { formatSelector } from '../entry/selector.ts'
import type { RegisteredEntry } from '../rpc/gen/countersign/registry/v1/RegisteredEntry.ts'
import type { SPIFFEID } from '../rpc/gen/spire/api/types/SPIFFEID.ts'
import type { Io } from './io.ts'
import { type OutputFormat, printRecord, printRows, relativeTime } from './output.ts'

/** An entry as `-o json` prints it: stable, complete, IDs as strings, times RFC 3339. */
export interface EntryJson {
  readonly id: string
  readonly spiffeId: string
  readonly parentId: string
  readonly selectors: readonly string[]
  readonly owner: string
  readonly purpose: string
  readonly labels: Readonly<Record<string, string>>
  readonly x509SvidTtlSeconds: number
  readonly jwtSvidTtlSeconds: number
  readonly federatesWith: readonly string[]
  readonly dnsNames: readonly string[]
  readonly admin: boolean
  readonly downstream: boolean
  readonly storeSvid: boolean
  readonly hint: string
  readonly disableX509SvidPrefetch: boolean
  readonly jwtSvidIncludeJti: boolean
  readonly jwtSvidSingleUse: boolean
  readonly expiresAt: string | null
  readonly disabledAt: string | null
  readonly createdAt: string
  readonly revision: number
}

export function idText(id: SPIFFEID | null | undefined): string {
  return id === null || id === undefined ? '' : `spiffe://${id.trust_domain}${id.path}`
}

export function entryJson(registered: RegisteredEntry): EntryJson {
  const entry = registered.entry
  return {
    id: entry?.id ?? '',
    spiffeId: idText(entry?.spiffe_id),
    parentId: idText(entry?.parent_id),
    selectors: (entry?.selectors ?? []).map(formatSelector),
    owner: registered.owner,
    purpose: registered.purpose,
    labels: { ...registered.labels },
    x509SvidTtlSeconds: entry?.x509_svid_ttl ?? 0,
    jwtSvidTtlSeconds: entry?.jwt_svid_ttl ?? 0,
    federatesWith: entry?.federates_with ?? [],
    dnsNames: entry?.dns_names ?? [],
    admin: entry?.admin ?? false,
    downstream: entry?.downstream ?? false,
    storeSvid: entry?.store_svid ?? false,
    hint: entry?.hint ?? '',
    disableX509SvidPrefetch: entry?.additional_attributes?.disable_x509_svid_prefetch ?? false,
    jwtSvidIncludeJti: entry?.additional_attributes?.jwt_svid_include_jti ?? false,
    jwtSvidSingleUse: registered.jwt_svid_single_use,
    expiresAt: instant(entry?.expires_at),
    disabledAt: instant(registered.disabled_at),
    createdAt: instant(entry?.created_at) ?? '',
    revision: Number(entry?.revision_number ?? 0),
  }
}

export function dateOf(text: string | null): Date | undefined {
  return text === null ? undefined : new Date(text)
}

/** RFC 3339 of Unix seconds; null for 0, which is how the wire says "never". */
export function instant(unixSeconds: string | undefined): string | null {
  const seconds = Number(unixSeconds ?? 0)
  return seconds === 0 ? null : new Date(seconds * 1000).toISOString()
}

export function printEntries(
  io: Io,
  format: OutputFormat,
  entries: readonly RegisteredEntry[],
): void {
  printRows(
    io,
    format,
    entries.map(entryJson),
    [
      { title: 'ID', text: (entry) => entry.id },
      { title: 'SPIFFE ID', text: (entry) => entry.spiffeId },
      { title: 'PARENT', text: (entry) => entry.parentId },
      { title: 'SELECTORS', text: (entry) => entry.selectors.join(' ') },
      { title: 'OWNER', text: (entry) => entry.owner || '-' },
      { title: 'STATE', text: (entry) => (entry.disabledAt === null ? 'enabled' : 'disabled') },
    ],
    (entry) => entry,
  )
}

export function printEntry(
  io: Io,
  format: OutputFormat,
  registered: RegisteredEntry,
  now: Date,
): void {
  const entry = entryJson(registered)
  const ttl = (seconds: number): string => (seconds === 0 ? 'default' : `${seconds} s`)
  const list = (values: readonly string[]): string => values.join(' ') || '-'
  const flags = [
    ...(['admin', 'downstream', 'storeSvid'] as const),
    ...(['disableX509SvidPrefetch', 'jwtSvidIncludeJti', 'jwtSvidSingleUse'] as const),
  ].filter((flag) => entry[flag])
  printRecord(io, format, entry, [
    ['id', entry.id],
    ['spiffe id', entry.spiffeId],
    ['parent', entry.parentId],
    ['selectors', list(entry.selectors)],
    ['owner', entry.owner || '-'],
    ['purpose', entry.purpose || '-'],
    ['labels', list(Object.entries(entry.labels).map(([key, value]) => `${key}=${value}`))],
    ['x509-svid ttl', ttl(entry.x509SvidTtlSeconds)],
    ['jwt-svid ttl', ttl(entry.jwtSvidTtlSeconds)],
    ['federates with', list(entry.federatesWith)],
    ['dns names', list(entry.dnsNames)],
    ['hint', entry.hint || '-'],
    ['flags', list(flags)],
    ['expires', relativeTime(dateOf(entry.expiresAt), now)],
    ['disabled', entry.disabledAt === null ? '-' : relativeTime(dateOf(entry.disabledAt), now)],
    ['created', entry.createdAt],
    ['revision', String(entry.revision)],
  ])
}
