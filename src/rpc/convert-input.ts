import type { Selector } from '../entry/entry.ts'
import { givenEntry, instantOf, selectorFromWire, spiffeIdTextFromWire } from './convert.ts'
import type { RegisteredEntry as WireRegisteredEntry } from './gen/countersign/registry/v1/RegisteredEntry.ts'
import type { RegisteredEntryMask as WireRegisteredEntryMask } from './gen/countersign/registry/v1/RegisteredEntryMask.ts'
import type { Entry as WireEntry } from './gen/spire/api/types/Entry.ts'
import type { EntryMask as WireEntryMask } from './gen/spire/api/types/EntryMask.ts'

/** An entry as a client asks for it: only the shape is known, the rules are the server's. */
export interface WireEntryFields {
  readonly id: string
  readonly spiffeId: string
  readonly parentId: string
  readonly selectors: readonly Selector[]
  readonly x509SvidTtlSeconds: number
  readonly jwtSvidTtlSeconds: number
  readonly federatesWith: readonly string[]
  readonly admin: boolean
  readonly downstream: boolean
  readonly expiresAt: Date | undefined
  readonly dnsNames: readonly string[]
  readonly storeSvid: boolean
  readonly hint: string
  readonly disableX509SvidPrefetch: boolean
  readonly jwtSvidIncludeJti: boolean
}

export interface WireRegisteredEntryFields extends WireEntryFields {
  readonly owner: string
  readonly purpose: string
  readonly labels: Readonly<Record<string, string>>
  readonly jwtSvidSingleUse: boolean
  readonly disabled: boolean
}

/** Throws `invalid`, `wire-instant`; revision and creation time of the client are ignored. */
export function entryFieldsFromWire(wire: WireEntry): WireEntryFields {
  return {
    id: wire.id,
    spiffeId: spiffeIdTextFromWire(wire.spiffe_id),
    parentId: spiffeIdTextFromWire(wire.parent_id),
    selectors: wire.selectors.map(selectorFromWire),
    x509SvidTtlSeconds: wire.x509_svid_ttl,
    jwtSvidTtlSeconds: wire.jwt_svid_ttl,
    federatesWith: wire.federates_with,
    admin: wire.admin,
    downstream: wire.downstream,
    expiresAt: instantOf(wire.expires_at),
    dnsNames: wire.dns_names,
    storeSvid: wire.store_svid,
    hint: wire.hint,
    disableX509SvidPrefetch: wire.additional_attributes?.disable_x509_svid_prefetch ?? false,
    jwtSvidIncludeJti: wire.additional_attributes?.jwt_svid_include_jti ?? false,
  }
}

/** As `entryFieldsFromWire`, with owner, purpose and labels. Throws `invalid`, `entry-missing`. */
export function registeredEntryFieldsFromWire(
  wire: WireRegisteredEntry,
): WireRegisteredEntryFields {
  return {
    ...entryFieldsFromWire(givenEntry(wire)),
    owner: wire.owner,
    purpose: wire.purpose,
    labels: { ...wire.labels },
    jwtSvidSingleUse: wire.jwt_svid_single_use,
    disabled: wire.disabled_at !== '0',
  }
}

export type EntryFieldName = Exclude<keyof WireRegisteredEntryFields, 'id' | 'disabled'>

const maskFields: Readonly<Record<keyof WireEntryMask, readonly EntryFieldName[]>> = {
  spiffe_id: ['spiffeId'],
  parent_id: ['parentId'],
  selectors: ['selectors'],
  x509_svid_ttl: ['x509SvidTtlSeconds'],
  federates_with: ['federatesWith'],
  admin: ['admin'],
  downstream: ['downstream'],
  expires_at: ['expiresAt'],
  dns_names: ['dnsNames'],
  // The server's own.
  revision_number: [],
  store_svid: ['storeSvid'],
  jwt_svid_ttl: ['jwtSvidTtlSeconds'],
  hint: ['hint'],
  created_at: [],
  additional_attributes: ['disableX509SvidPrefetch', 'jwtSvidIncludeJti'],
}

/** Every field that SPIRE's message has room for. */
export const allEntryFields: ReadonlySet<EntryFieldName> = new Set(Object.values(maskFields).flat())

/** The fields that an input mask names; undefined (all of them) where there is no mask. */
export function entryMaskFromWire(
  mask: WireEntryMask | null | undefined,
): ReadonlySet<EntryFieldName> | undefined {
  if (mask === null || mask === undefined) return undefined
  const chosen = new Set<EntryFieldName>()
  for (const [name, fields] of Object.entries(maskFields)) {
    if (mask[name as keyof WireEntryMask]) for (const field of fields) chosen.add(field)
  }
  return chosen
}

/** As `entryMaskFromWire`; a mask that names no part of the inner entry chooses none of it. */
export function registeredEntryMaskFromWire(
  mask: WireRegisteredEntryMask | null | undefined,
): ReadonlySet<EntryFieldName> | undefined {
  if (mask === null || mask === undefined) return undefined
  const chosen = new Set(mask.entry === null ? [] : entryMaskFromWire(mask.entry))
  if (mask.owner) chosen.add('owner')
  if (mask.purpose) chosen.add('purpose')
  if (mask.labels) chosen.add('labels')
  if (mask.jwt_svid_single_use) chosen.add('jwtSvidSingleUse')
  return chosen
}
