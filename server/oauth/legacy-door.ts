import { randomUUID } from 'node:crypto'
import { isIP } from 'node:net'
import { CountersignError } from '../../src/errors.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { shareOf } from '../access/caller.ts'
import { type RateLimit, RateLimiter } from '../access/limits.ts'
import type { EntryIndex } from '../entry/index.ts'
import {
  isMapped,
  isWithin,
  type KeyHash,
  type LegacyCaller,
  legacyCallerOf,
  legacyEntryId,
  legacyTokenSeconds,
} from '../legacy/legacy-caller.ts'
import type { LegacyUse } from '../legacy/use.ts'
import type { OauthAnswer } from './answer.ts'
import {
  type ClientDoor,
  type ClientDoorDeps,
  type ClientRequest,
  checkStanding,
  createClientDoor,
  disabledEntry,
} from './client-door.ts'
import type { Form } from './form.ts'
import { type IssueDeps, issueToken } from './issue-token.ts'
import type { Client } from './spiffe-client-auth.ts'
import { decideAll, readWish, type Wish } from './token.ts'

export interface LegacyDoorDeps extends Omit<ClientDoorDeps, 'revocations'>, IssueDeps {
  readonly settings: IssueDeps['settings'] & { readonly legacyEdges: ReadonlySet<SpiffeId> }
  readonly index: Pick<EntryIndex, 'list'>
  readonly keyHash: KeyHash
  /** Whether an operator has revoked the key of this entry. */
  readonly isKeyRevoked: (entryId: string) => Promise<boolean>
  readonly use: Pick<LegacyUse, 'note'>
}

/** Of one address. */
const wrongKeys: RateLimit = { perSecond: 1, burst: 30 }

/** How such a caller has proved itself, for policies and the trail. */
export const legacyAuth = 'legacy_key'

/**
 * Where an edge, which proves itself by its SVID, changes the static key of somebody who can send nothing better for an
 * access token of a minute, so that nothing behind the edge sees the key.
 */
export function createLegacyDoor(deps: LegacyDoorDeps): ClientDoor {
  const attempts = new RateLimiter(wrongKeys, deps.clock)
  return createClientDoor('legacy', deps, (request) => exchangeKey(request, attempts, deps))
}

/**
 * Throws `unauthenticated`: `legacy-edge`, `legacy-key-missing`, `legacy-key`, `entry-disabled`, `legacy-network`, `legacy-key-revoked`; `invalid`: `request-client-address`, `target-ceiling`, `scope-ceiling`, and as `readWish`; `forbidden` `policy-…`; `exhausted` `rate-limited`.
 */
async function exchangeKey(
  request: ClientRequest,
  attempts: RateLimiter,
  deps: LegacyDoorDeps,
): Promise<OauthAnswer> {
  const { form } = request
  if (!deps.settings.legacyEdges.has(request.client.spiffeId)) {
    refuse('legacy-edge', 'this workload is no edge for legacy callers')
  }
  const address = addressIn(form)
  request.known.clientAddress = address
  // Whoever tries keys is slowed down by his own address, and learns no more from a right one by then.
  const share = shareOf(withPort(address))
  attempts.take(share)
  const { client, caller, entryId } = callerOf(request, address, deps)
  // Before it waits for anything: right keys of one address that come together are no attempts.
  attempts.take(share, -1)
  deps.calls.take(client.spiffeId)
  await checkKey(entryId, deps)
  const entries = checkStanding(client, deps)
  const wish = wishOf(form, caller, client, deps)
  const edge = { id: request.client.spiffeId, address: request.address }
  const asked = { ...request, address: withPort(address), client, entries, edge }
  const decidedBy = decideAll(entries, deps.policies, (entry) => ({
    ...{ action: 'issueToken', entry, ...wish, auth: client.method, address },
    ttlSeconds: wish.resource.maxTtlSeconds,
  }))
  const grant = { ...wish, decidedBy, txn: randomUUID(), notAfter: client.expiresAt }
  const answer = await issueToken(asked, grant, deps)
  // What was made for one that was revoked meanwhile does not leave.
  await checkKey(entryId, deps)
  deps.use.note(entryId)
  const { access_token } = JSON.parse(answer.body) as { readonly access_token: string }
  // For proxies that can read a header of an answer and nothing else.
  return { ...answer, headers: { ...answer.headers, authorization: `Bearer ${access_token}` } }
}

function callerOf(
  { form, known }: ClientRequest,
  address: string,
  deps: LegacyDoorDeps,
): { readonly client: Client; readonly caller: LegacyCaller; readonly entryId: string } {
  const key = form.get('key')
  if (key === undefined) return refuse('legacy-key-missing', 'key is missing')
  // Found by its HMAC: how long that takes tells nobody anything about a key.
  const [entry] = deps.index.list({ id: legacyEntryId(deps.keyHash(key)) }, undefined, 1)
  const caller = entry && legacyCallerOf(entry)
  if (
    entry?.expiresAt === undefined ||
    caller === undefined ||
    entry.expiresAt <= deps.clock.now()
  ) {
    return refuse('legacy-key', 'nobody has this key')
  }
  const { id: entryId, spiffeId, owner, purpose, expiresAt } = entry
  known.forWhom = { entryId, spiffeId, owner, purpose }
  if (entry.disabledAt !== undefined) throw disabledEntry()
  if (!isWithin(address, caller.networks)) {
    refuse('legacy-network', 'the key is not for this network')
  }
  // Shown anew, it is older than no fact about its entry; in the second of one nothing is issued (`refuseBornDead`).
  const issuedAt = new Date(deps.clock.now().getTime() + 1000)
  return {
    client: { spiffeId, method: legacyAuth, issuedAt, expiresAt },
    caller,
    entryId,
  }
}

/** Throws `unauthenticated` `legacy-key-revoked`. */
async function checkKey(
  entryId: string,
  { isKeyRevoked }: Pick<LegacyDoorDeps, 'isKeyRevoked'>,
): Promise<void> {
  if (await isKeyRevoked(entryId)) refuse('legacy-key-revoked', 'the key was revoked')
}

/** What it asks for, within what it was registered for; all of that where it asks for nothing. */
function wishOf(
  form: Form,
  caller: LegacyCaller,
  client: Client,
  { settings }: LegacyDoorDeps,
): Wish {
  const asked: Form = new Map([
    ['resource', form.get('resource') ?? caller.resource],
    ['scope', form.get('scope') ?? caller.scopes.join(' ')],
  ])
  const { resource, scopes } = readWish(asked, settings.resources, client)
  if (resource.id !== caller.resource) {
    throw new CountersignError('invalid', 'the key is for another resource', {
      reason: 'target-ceiling',
    })
  }
  if (!scopes.every((scope) => caller.scopes.includes(scope))) {
    throw new CountersignError('invalid', 'the key does not reach that far', {
      reason: 'scope-ceiling',
    })
  }
  const maxTtlSeconds = Math.min(legacyTokenSeconds, resource.maxTtlSeconds)
  return { resource: { ...resource, maxTtlSeconds }, scopes }
}

/** The address of the caller, as the edge saw it: nothing that the caller says of itself. */
function addressIn(form: Form): string {
  const said = form.get('client_address') ?? ''
  const bare = said.startsWith('::ffff:') && isIP(said.slice(7)) === 4 ? said.slice(7) : said
  // In any other spelling a policy would not know it again.
  if (isIP(bare) > 0 && !bare.includes('%') && !isMapped(bare)) return bare
  throw new CountersignError('invalid', 'client_address is no IP address', {
    reason: 'request-client-address',
  })
}

function withPort(address: string): string {
  return address.includes(':') ? `[${address}]:0` : `${address}:0`
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}
