import type { Bundle } from '../bundle/bundle.ts'
import type { Entry, Selector } from '../entry/entry.ts'
import { sortSelectors } from '../entry/selector.ts'
import { CountersignError } from '../errors.ts'
import { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import type { RegisteredEntry as WireRegisteredEntry } from './gen/countersign/registry/v1/RegisteredEntry.ts'
import type { Bundle as WireBundle } from './gen/spire/api/types/Bundle.ts'
import type { BundleMask as WireBundleMask } from './gen/spire/api/types/BundleMask.ts'
import type { Entry as WireEntry } from './gen/spire/api/types/Entry.ts'
import type { EntryMask as WireEntryMask } from './gen/spire/api/types/EntryMask.ts'
import type { JWTSVID as WireJwtSvid } from './gen/spire/api/types/JWTSVID.ts'
import type { Selector as WireSelector } from './gen/spire/api/types/Selector.ts'
import type { SPIFFEID as WireSpiffeId } from './gen/spire/api/types/SPIFFEID.ts'
import type { X509SVID as WireX509Svid } from './gen/spire/api/types/X509SVID.ts'

/*
 * Wire <-> values. On the wire instants are whole seconds since 1970, 0 is none, and 64-bit numbers
 * are decimal strings. Bytes are copied, since decoded ones are views that keep a whole message alive.
 */

/** What a `Date` can hold. */
const maxSeconds = 8.64e12

/** 0 where there is none. */
export function secondsOf(instant: Date | undefined): string {
  return instant === undefined ? '0' : String(Math.floor(instant.getTime() / 1000))
}

/** Throws `invalid`, `wire-instant`, for what no `Date` can hold. */
export function instantOf(seconds: string): Date | undefined {
  const value = Number(seconds)
  if (value === 0) return undefined
  if (!Number.isInteger(value) || Math.abs(value) > maxSeconds) {
    throw new CountersignError('invalid', 'an instant is out of range', { reason: 'wire-instant' })
  }
  return new Date(value * 1000)
}

export function spiffeIdToWire(id: SpiffeId): WireSpiffeId {
  return { trust_domain: SpiffeId.trustDomainOf(id), path: SpiffeId.pathOf(id) }
}

/** Throws `invalid`: `spiffe-id-…`, `trust-domain-…`, or `spiffe-id-missing`. */
export function spiffeIdFromWire(id: WireSpiffeId | null | undefined): SpiffeId {
  if (id === null || id === undefined) {
    throw new CountersignError('invalid', 'a SPIFFE ID is missing', { reason: 'spiffe-id-missing' })
  }
  return SpiffeId.of(TrustDomain.parseIdOrName(id.trust_domain), id.path)
}

/** The text that the parts make, unchecked; `''` where there is none. A slash cannot move a part's border. */
export function spiffeIdTextFromWire(id: WireSpiffeId | null | undefined): string {
  if (id === null || id === undefined) return ''
  const name = id.trust_domain.replace(/^spiffe:\/\//, '').replaceAll('/', '%2F')
  return `spiffe://${name}${id.path}`
}

export function selectorToWire({ type, value }: Selector): WireSelector {
  return { type, value }
}

const none: readonly never[] = Object.freeze([])
const noLabels: Entry['labels'] = Object.freeze({})

/** Unchecked but for its shape. */
export function selectorFromWire({ type, value }: WireSelector): Selector {
  return { type, value }
}

export function entryToWire(entry: Entry): WireEntry {
  return {
    id: entry.id,
    spiffe_id: spiffeIdToWire(entry.spiffeId),
    parent_id: spiffeIdToWire(entry.parentId),
    selectors: entry.selectors.map(selectorToWire),
    x509_svid_ttl: entry.x509SvidTtlSeconds,
    federates_with: [...entry.federatesWith],
    admin: entry.admin,
    downstream: entry.downstream,
    expires_at: secondsOf(entry.expiresAt),
    dns_names: [...entry.dnsNames],
    revision_number: String(entry.revision),
    store_svid: entry.storeSvid,
    jwt_svid_ttl: entry.jwtSvidTtlSeconds,
    hint: entry.hint,
    created_at: secondsOf(entry.createdAt),
    additional_attributes: {
      disable_x509_svid_prefetch: entry.disableX509SvidPrefetch,
      jwt_svid_include_jti: entry.jwtSvidIncludeJti,
    },
  }
}

/**
 * An entry that a server sent. It has no owner, purpose and labels, nor single use: those stay with the server.
 * Throws `invalid` where IDs, trust domains or instants are malformed.
 */
export function entryFromWire(wire: WireEntry): Entry {
  return {
    id: wire.id,
    spiffeId: spiffeIdFromWire(wire.spiffe_id),
    parentId: spiffeIdFromWire(wire.parent_id),
    selectors: sortSelectors(wire.selectors.map(selectorFromWire)),
    x509SvidTtlSeconds: wire.x509_svid_ttl,
    jwtSvidTtlSeconds: wire.jwt_svid_ttl,
    federatesWith: orNone(
      [...new Set(wire.federates_with.map((name) => TrustDomain.parseIdOrName(name)))].sort(),
    ),
    admin: wire.admin,
    downstream: wire.downstream,
    expiresAt: instantOf(wire.expires_at),
    // No server sends an agent one that is.
    disabledAt: undefined,
    dnsNames: orNone([...wire.dns_names]),
    revision: Number(wire.revision_number),
    storeSvid: wire.store_svid,
    hint: wire.hint,
    createdAt: instantOf(wire.created_at) ?? new Date(0),
    disableX509SvidPrefetch: wire.additional_attributes?.disable_x509_svid_prefetch ?? false,
    jwtSvidIncludeJti: wire.additional_attributes?.jwt_svid_include_jti ?? false,
    jwtSvidSingleUse: false,
    owner: '',
    purpose: '',
    labels: noLabels,
  }
}

/** One empty list for all: an agent holds ten thousand entries, and most name nothing here. */
function orNone<T>(list: readonly T[]): readonly T[] {
  return list.length === 0 ? none : list
}

export function registeredEntryToWire(entry: Entry): WireRegisteredEntry {
  return {
    entry: entryToWire(entry),
    owner: entry.owner,
    purpose: entry.purpose,
    labels: { ...entry.labels },
    jwt_svid_single_use: entry.jwtSvidSingleUse,
    disabled_at: secondsOf(entry.disabledAt),
  }
}

/** Throws `invalid`, `entry-missing`. */
export function givenEntry(wire: WireRegisteredEntry): WireEntry {
  if (wire.entry !== null) return wire.entry
  throw new CountersignError('invalid', 'the entry is missing', { reason: 'entry-missing' })
}

/** What an output mask leaves of a message: its key fields and those that the mask names. */
function masked<M extends object>(
  message: M,
  mask: object | null | undefined,
  key: keyof M,
): Partial<M> {
  if (mask === null || mask === undefined) return message
  const named = mask as Readonly<Record<string, boolean>>
  return Object.fromEntries(
    Object.entries(message).filter(([name]) => name === key || named[name] === true),
  ) as Partial<M>
}

/** The id is always there. */
export function maskEntry(
  entry: WireEntry,
  mask: WireEntryMask | null | undefined,
): Partial<WireEntry> {
  return masked(entry, mask, 'id')
}

/** The trust domain is always there. */
export function maskBundle(
  bundle: WireBundle,
  mask: WireBundleMask | null | undefined,
): Partial<WireBundle> {
  return masked(bundle, mask, 'trust_domain')
}

export function bundleToWire(bundle: Bundle): WireBundle {
  return {
    trust_domain: bundle.trustDomain,
    x509_authorities: bundle.x509Authorities.map(({ certificate, tainted }) => ({
      asn1: certificate,
      tainted,
    })),
    jwt_authorities: bundle.jwtAuthorities.map((key) => ({
      public_key: key.publicKey,
      key_id: key.keyId,
      expires_at: secondsOf(key.expiresAt),
      tainted: key.tainted,
    })),
    refresh_hint: String(bundle.refreshHintSeconds),
    sequence_number: String(bundle.sequence),
    wit_authorities: [],
  }
}

/** Throws `invalid` where the trust domain, an instant or the refresh hint is malformed; keys and certificates are not looked into. */
export function bundleFromWire(wire: WireBundle): Bundle {
  return {
    trustDomain: TrustDomain.parseIdOrName(wire.trust_domain),
    ...authoritiesFromWire(wire),
    sequence: BigInt(wire.sequence_number),
    refreshHintSeconds: refreshHintOf(wire.refresh_hint),
  }
}

/** Throws `invalid` / `wire-instant`; keys and certificates are not looked into. */
export function authoritiesFromWire(
  wire: Pick<WireBundle, 'x509_authorities' | 'jwt_authorities'>,
): Pick<Bundle, 'x509Authorities' | 'jwtAuthorities'> {
  return {
    x509Authorities: wire.x509_authorities.map(({ asn1, tainted }) => ({
      certificate: Buffer.from(asn1),
      tainted,
    })),
    jwtAuthorities: wire.jwt_authorities.map((key) => ({
      keyId: key.key_id,
      publicKey: Buffer.from(key.public_key),
      expiresAt: instantOf(key.expires_at),
      tainted: key.tainted,
    })),
  }
}

function refreshHintOf(seconds: string): number {
  const value = Number(seconds)
  if (value >= 0 && value <= 0x7fffffff) return value
  throw new CountersignError('invalid', 'the refresh hint is out of range', {
    reason: 'wire-refresh-hint',
  })
}

/** An issued X.509-SVID as it travels: without its key. */
export interface IssuedX509Svid {
  readonly spiffeId: SpiffeId
  /** DER, leaf first. */
  readonly chain: readonly Buffer[]
  readonly expiresAt: Date
  readonly hint?: string | undefined
}

export function x509SvidToWire(svid: IssuedX509Svid): WireX509Svid {
  return {
    cert_chain: [...svid.chain],
    id: spiffeIdToWire(svid.spiffeId),
    expires_at: secondsOf(svid.expiresAt),
    hint: svid.hint ?? '',
  }
}

export interface IssuedJwtSvid {
  readonly token: string
  readonly spiffeId: SpiffeId
  readonly expiresAt: Date
  readonly issuedAt: Date
  readonly hint?: string | undefined
}

export function jwtSvidToWire(svid: IssuedJwtSvid): WireJwtSvid {
  return {
    token: svid.token,
    id: spiffeIdToWire(svid.spiffeId),
    expires_at: secondsOf(svid.expiresAt),
    issued_at: secondsOf(svid.issuedAt),
    hint: svid.hint ?? '',
  }
}
