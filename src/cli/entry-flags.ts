import type { Command } from 'commander'
import { parseSelector } from '../entry/selector.ts'
import type { RegisteredEntry$Input } from '../rpc/gen/countersign/registry/v1/RegisteredEntry.ts'
import type { RegisteredEntryMask$Input } from '../rpc/gen/countersign/registry/v1/RegisteredEntryMask.ts'
import type { SPIFFEID$Input } from '../rpc/gen/spire/api/types/SPIFFEID.ts'
import { systemClock } from '../runtime/clock.ts'
import { parseDuration } from '../runtime/duration.ts'
import { parseInstant } from '../runtime/instant.ts'
import { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { usage } from './usage.ts'
import { eachFormed, formed, orEmpty } from './value-form.ts'

/** What `entry create` and `entry update` may say of an entry; what is absent was not said. */
export interface EntryFlags {
  readonly id?: string
  readonly spiffeId?: string
  readonly parentId?: string
  readonly selector?: readonly string[]
  readonly owner?: string
  readonly purpose?: string
  readonly label?: readonly string[]
  readonly x509SvidTtl?: string
  readonly jwtSvidTtl?: string
  readonly federatesWith?: readonly string[]
  readonly dnsName?: readonly string[]
  readonly hint?: string
  readonly admin?: boolean
  readonly downstream?: boolean
  readonly storeSvid?: boolean
  readonly prefetch?: boolean
  readonly jti?: boolean
  readonly singleUse?: boolean
  readonly expires?: string
}

export const repeat = (value: string, before: readonly string[] = []): readonly string[] => [
  ...before,
  value,
]

export function withEntryFlags(command: Command): Command {
  return (
    command
      .option('--spiffe-id <id>', 'the name that the workload gets', formed(SpiffeId.parse))
      .option(
        '--parent-id <id>',
        'the agent, or the entry, that the workload runs under',
        formed(SpiffeId.parse),
      )
      .option(
        '--selector <type:value>',
        'what must be true of the workload; repeat for more',
        eachFormed(parseSelector),
      )
      .option('--owner <name>', 'who answers for it')
      .option('--purpose <text>', 'what it is for')
      .option(
        '--label <key=value>',
        'a free label; repeat for more',
        eachFormed(orEmpty(parseLabel)),
      )
      .option(
        '--x509-svid-ttl <duration>',
        'life of its certificates, for example 30m',
        formed(orEmpty(parseDuration)),
      )
      .option(
        '--jwt-svid-ttl <duration>',
        'life of its tokens, for example 2m',
        formed(orEmpty(parseDuration)),
      )
      .option(
        '--federates-with <trust domain>',
        'whose bundle it gets too; repeat for more',
        eachFormed(orEmpty(TrustDomain.parseIdOrName)),
      )
      .option('--dns-name <name>', 'a DNS name in its certificates; repeat for more', repeat)
      .option('--hint <text>', 'how the workload tells its identities apart')
      .option(
        '--expires <time>',
        'when the entry ends: RFC 3339, a duration from now, or never',
        formed((text) => expiry(text, systemClock.now())),
      )
      .option('--admin', 'may call the admin API over mTLS')
      .option('--no-admin', 'may not, as at first')
      .option('--downstream', 'may ask for a CA certificate of its own')
      .option('--no-downstream', 'may not, as at first')
      .option('--store-svid', 'its SVIDs go to a store instead of a workload')
      .option('--no-store-svid', 'they go to the workload, as at first')
      // Named before its negation, so that the flag is undefined where neither was said.
      .option('--prefetch', 'a certificate before the workload asks, as at first')
      .option('--no-prefetch', 'none before it asks')
      .option('--jti', 'each of its tokens has an ID of its own')
      .option('--no-jti', 'they have none, as at first')
      .option('--single-use', 'each token proves it to the token service once, and has an ID')
      .option('--no-single-use', 'again and again until it expires, as at first')
  )
}

/** Throws `invalid`, reasons `selector-…`, `spiffe-id-…`, `usage`. */
export function entryOfFlags(flags: EntryFlags, now: Date): RegisteredEntry$Input {
  return {
    entry: {
      id: flags.id ?? '',
      spiffe_id: wireId(flags.spiffeId),
      parent_id: wireId(flags.parentId),
      selectors: (flags.selector ?? [])
        .map(parseSelector)
        .map(({ type, value }) => ({ type, value })),
      x509_svid_ttl: seconds(flags.x509SvidTtl),
      jwt_svid_ttl: seconds(flags.jwtSvidTtl),
      federates_with: said(flags.federatesWith).map(TrustDomain.parseIdOrName),
      dns_names: said(flags.dnsName),
      hint: flags.hint ?? '',
      admin: flags.admin ?? false,
      downstream: flags.downstream ?? false,
      store_svid: flags.storeSvid ?? false,
      expires_at: expiry(flags.expires, now),
      additional_attributes: {
        disable_x509_svid_prefetch: flags.prefetch === false,
        jwt_svid_include_jti: flags.jti ?? false,
      },
    },
    owner: flags.owner ?? '',
    purpose: flags.purpose ?? '',
    labels: Object.fromEntries(said(flags.label).map(parseLabel)),
    jwt_svid_single_use: flags.singleUse ?? false,
  }
}

/** Which fields an update names: only those that were said. */
export function maskOfFlags(flags: EntryFlags): RegisteredEntryMask$Input {
  return {
    entry: {
      spiffe_id: flags.spiffeId !== undefined,
      parent_id: flags.parentId !== undefined,
      selectors: flags.selector !== undefined,
      x509_svid_ttl: flags.x509SvidTtl !== undefined,
      jwt_svid_ttl: flags.jwtSvidTtl !== undefined,
      federates_with: flags.federatesWith !== undefined,
      dns_names: flags.dnsName !== undefined,
      hint: flags.hint !== undefined,
      admin: flags.admin !== undefined,
      downstream: flags.downstream !== undefined,
      store_svid: flags.storeSvid !== undefined,
      expires_at: flags.expires !== undefined,
      additional_attributes: flags.prefetch !== undefined || flags.jti !== undefined,
    },
    owner: flags.owner !== undefined,
    purpose: flags.purpose !== undefined,
    labels: flags.label !== undefined,
    jwt_svid_single_use: flags.singleUse !== undefined,
  }
}

/** True where no field of the entry is named. */
export function saysNothing(flags: EntryFlags): boolean {
  const { entry, ...own } = maskOfFlags(flags)
  return !Object.values({ ...entry, ...own }).includes(true)
}

/** The ID as the wire splits it; undefined where nothing was said, which the server refuses with its own words. */
export function wireId(text: string | undefined): SPIFFEID$Input | null {
  if (text === undefined) return null
  const id = SpiffeId.parse(text)
  return { trust_domain: SpiffeId.trustDomainOf(id), path: SpiffeId.pathOf(id) }
}

function seconds(text = ''): number {
  return text === '' ? 0 : parseDuration(text)
}

/** An empty value stands for an empty list. */
function said(values: readonly string[] = []): string[] {
  return values.filter((value) => value !== '')
}

/** Throws `invalid` / `usage`. */
export function parseLabel(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at < 1) {
    throw usage(`not a label: ${text}`, 'write it as --label key=value')
  }
  return [text.slice(0, at), text.slice(at + 1)]
}

/** Unix seconds of an instant, or of a duration from now; 0 is never. */
function expiry(text: string | undefined, now: Date): number {
  if (text === undefined || text === '' || text === 'never') return 0
  if (!text.includes('T')) return Math.floor(now.getTime() / 1000) + parseDuration(text)
  const at = parseInstant(text)
  if (at !== undefined) return Math.floor(at.getTime() / 1000)
  throw usage(
    `not a time: ${text}`,
    'write it as 2026-06-01T12:00:00Z, with its zone, as 30d or never',
  )
}
