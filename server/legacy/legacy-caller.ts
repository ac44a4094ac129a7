import { createHmac } from 'node:crypto'
import { isIP } from 'node:net'
import type { Entry, Selector } from '../../src/entry/entry.ts'
import { asCountersignError, CountersignError, type ErrorOptions } from '../../src/errors.ts'
import { checkNetwork, type Networks, parseNetworks } from '../../src/federation/networks.ts'
import { serverId } from '../../src/spiffe-id/reserved.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { EntryInput } from '../entry/entry-input.ts'

/**
 * A caller that can send nothing but a static key is an entry like any other, with owner, purpose and end. No agent has
 * it: its parent is the server, and no attestor has selectors of its type. They say what it may come from and ask for.
 */
export interface LegacyCaller {
  readonly name: string
  readonly networks: readonly string[]
  readonly resource: string
  readonly scopes: readonly string[]
}

export const selectorType = 'legacy'
/** An access token of such a caller lives no longer. */
export const legacyTokenSeconds = 60
const maxDays = 90
const dayMs = 86_400_000
const namePattern = /^[a-z0-9][a-z0-9-]{0,62}$/
/** Of the ids of entries with a static key, and of no others. */
export const idPrefix = 'legacy.'
const minKeyLength = 16
const maxKeyLength = 1024

/** The HMAC-SHA-256 of a key, base64url: all that is kept of it. */
export type KeyHash = (key: string) => string

export function keyHashOf(hashKey: Buffer): KeyHash {
  return (key) => createHmac('sha256', hashKey).update(key).digest('base64url')
}

/** Of the entry: a key belongs to one caller, since an id does. */
export function legacyEntryId(hash: string): string {
  return `${idPrefix}${hash}`
}

export function legacySpiffeId(trustDomain: TrustDomain, name: string): SpiffeId {
  return SpiffeId.of(trustDomain, `/legacy/${name}`)
}

/** Throws `invalid` `legacy-key-length`. */
export function checkKey(key: string): void {
  if (key.length >= minKeyLength && key.length <= maxKeyLength) return
  throw refused('legacy-key-length', `a key has ${minKeyLength} to ${maxKeyLength} characters`)
}

/** The entry to be made. Throws `invalid`: `legacy-name`, `legacy-owner`, `legacy-expiry`, `legacy-network`. */
export function legacyEntry(
  caller: LegacyCaller & Pick<EntryInput, 'owner' | 'purpose' | 'labels'> & { expiresAt: Date },
  hash: string,
  trustDomain: TrustDomain,
  now: Date,
): EntryInput {
  const { name, networks, resource, scopes, owner, purpose, labels, expiresAt } = caller
  if (!namePattern.test(name)) {
    throw refused('legacy-name', 'a name is at most 63 of a-z 0-9 -, and begins with no -')
  }
  if (!owner || !purpose) {
    throw refused('legacy-owner', 'it has an owner, who ends it, and a purpose')
  }
  if (expiresAt <= now || expiresAt.getTime() > now.getTime() + maxDays * dayMs) {
    throw refused(
      'legacy-expiry',
      `a legacy caller ends within ${maxDays} days: say --expires ${maxDays}d or less`,
    )
  }
  checkNetworks(networks)
  const values = [
    ...networks.map((network) => `net:${network}`),
    ...[`resource:${resource}`],
    ...scopes.map((scope) => `scope:${scope}`),
  ]
  return {
    id: legacyEntryId(hash),
    spiffeId: legacySpiffeId(trustDomain, name),
    parentId: serverId(trustDomain),
    selectors: [...new Set(values)].map((value): Selector => ({ type: selectorType, value })),
    ...{ owner, purpose, labels, expiresAt },
  }
}

/** Undefined where the entry is another kind of entry, or was made looser than `legacyEntry` makes them. */
export function legacyCallerOf(entry: Entry): LegacyCaller | undefined {
  const { id, spiffeId, owner, purpose, expiresAt, createdAt, selectors } = entry
  const path = SpiffeId.pathOf(spiffeId)
  if (!id.startsWith(idPrefix) || !path.startsWith('/legacy/')) return undefined
  if (selectors.some(({ type }) => type !== selectorType)) return undefined
  if (owner === '' || purpose === '' || expiresAt === undefined) return undefined
  if (expiresAt.getTime() > createdAt.getTime() + (maxDays + 1) * dayMs) return undefined
  const said = (word: string) =>
    selectors.flatMap(({ value }) => (value.startsWith(word) ? [value.slice(word.length)] : []))
  const [resource, ...more] = said('resource:')
  if (resource === undefined || more.length > 0) return undefined
  const networks = said('net:')
  if (!areNarrow(networks)) return undefined
  return { name: path.slice('/legacy/'.length), networks, resource, scopes: said('scope:') }
}

/** An IP address alone, without a zone. */
export function isWithin(address: string, networks: readonly string[]): boolean {
  return isIP(address) > 0 && networksOf(networks).has(address)
}

const mapped = parseNetworks(['::ffff:0:0/96'])

/** Whether it is an IPv4 address in the clothes of IPv6 (RFC 4291 §2.5.5.2), in whichever spelling. */
export function isMapped(address: string): boolean {
  return isIP(address) === 6 && mapped.has(address)
}

/** Throws `invalid` `legacy-network`. */
function checkNetworks(networks: readonly string[]): void {
  if (networks.length === 0 || networks.length > 16) {
    throw refused('legacy-network', 'it comes from 1 to 16 networks')
  }
  for (const network of networks) {
    written(() => checkNetwork(network))
    const [address = '', prefix = '128'] = network.split('/')
    if (isMapped(address) || (isIP(address) === 6 && networksOf([network]).has('0.0.0.0'))) {
      throw refused('legacy-network', `${network} has IPv4 in it: write that as IPv4`)
    }
    const least = isIP(address) === 6 ? 32 : 8
    if (Number(prefix) < least) {
      throw refused(
        'legacy-network',
        `the network ${network} is too wide: name a /${least} or a narrower one`,
      )
    }
  }
}

function areNarrow(networks: readonly string[]): boolean {
  try {
    checkNetworks(networks)
    return true
  } catch {
    return false
  }
}

function networksOf(networks: readonly string[]): Networks {
  return written(() => parseNetworks(networks))
}

function written<T>(read: () => T): T {
  try {
    return read()
  } catch (cause) {
    const { message, fix } = asCountersignError(cause)
    throw refused('legacy-network', message, { fix, cause })
  }
}

function refused(
  reason: string,
  message: string,
  more?: Pick<ErrorOptions, 'fix' | 'cause'>,
): CountersignError {
  return new CountersignError('invalid', message, { reason, ...more })
}
