import { randomBytes } from 'node:crypto'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { AddRequest } from '../../src/rpc/gen/countersign/legacy/v1/AddRequest.ts'
import type { Caller$Input } from '../../src/rpc/gen/countersign/legacy/v1/Caller.ts'
import type { ListRequest } from '../../src/rpc/gen/countersign/legacy/v1/ListRequest.ts'
import type { RemoveRequest } from '../../src/rpc/gen/countersign/legacy/v1/RemoveRequest.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { serverId } from '../../src/spiffe-id/reserved.ts'
import type { Caller } from '../access/caller.ts'
import type { BatchResult } from '../entry/batch.ts'
import {
  checkKey,
  legacyCallerOf,
  legacyEntry,
  legacyEntryId,
  legacySpiffeId,
} from '../legacy/legacy-caller.ts'
import { legacyUse } from '../store/legacy-use.ts'
import { revokedKeys } from '../store/revoked-keys.ts'
import { type ApiDeps, actOf } from './deps.ts'
import { listPage } from './entry-page.ts'
import { reachOf } from './reach.ts'

/** With one name. */
const maxCallers = 1000

/** countersign.legacy.v1.Legacy */
export function legacyHandlers(
  deps: Pick<
    ApiDeps,
    | 'clock'
    | 'cursorKey'
    | 'hasLegacyEdges'
    | 'index'
    | 'legacyKeyHash'
    | 'registry'
    | 'resources'
    | 'store'
    | 'trustDomain'
  >,
): Record<string, RpcHandler<Caller>> {
  const { clock, hasLegacyEdges, index, legacyKeyHash, registry, resources, store, trustDomain } =
    deps
  return {
    Add: unary(async ({ caller: asked, key: given }: AddRequest, { caller }) => {
      if (asked === null) throw missing('legacy-name', 'there is no caller in the request')
      const { name, owner, purpose, labels, networks, resource, scopes } = asked
      reachOf(resource, scopes, resources)
      if (index.count({ spiffeId: legacySpiffeId(trustDomain, name) }) > 0) {
        throw exists(`there is a caller ${name}`)
      }
      if (given !== '') checkKey(given)
      const key = given === '' ? `csk_${randomBytes(32).toString('base64url')}` : given
      const hash = legacyKeyHash(key)
      const input = legacyEntry(
        {
          ...{ name, owner, purpose, labels, networks, resource, scopes },
          expiresAt: new Date(Number(asked.expires_at_ms)),
        },
        hash,
        trustDomain,
        clock.now(),
      )
      if ((await revokedKeys(store.db, [legacyEntryId(hash)])).size > 0) {
        throw missing('legacy-key-revoked', 'this key was revoked: choose another one')
      }
      const entry = only(await registry.createEntries([input], { ...actOf(caller), atomic: true }))
      return {
        caller: message(entry),
        key: given === '' ? key : '',
        no_edges: !hasLegacyEdges,
      }
    }),
    List: unary(async (asked: ListRequest) => {
      const { entries, nextPageToken } = listPage(deps, { parentId: serverId(trustDomain) }, asked)
      const found = entries.filter((entry) => legacyCallerOf(entry) !== undefined)
      const ids = found.map(({ id }) => id)
      const used = await legacyUse(store.db, ids)
      const revoked = await revokedKeys(store.db, ids)
      return {
        callers: found.map((entry) => message(entry, used.get(entry.id), revoked.get(entry.id))),
        next_page_token: nextPageToken,
      }
    }),
    Remove: unary(async ({ name }: RemoveRequest, { caller }) => {
      // More than one where another was renamed to this, or two servers added it at a time: each has a key.
      const found = index
        .ofId(legacySpiffeId(trustDomain, name), maxCallers)
        .filter((entry) => legacyCallerOf(entry) !== undefined)
        .map(({ id }) => id)
      if (found.length === 0) {
        throw new CountersignError('not-found', `there is no caller ${name}`, {
          reason: 'legacy-unknown',
          fix: 'see "countersign legacy list"',
        })
      }
      const { results } = await registry.deleteEntries(found, actOf(caller))
      const [entry] = results.map((result) => only({ results: [result] }))
      return { caller: entry === undefined ? null : message(entry) }
    }),
  }
}

/** Of a batch of one. Throws what was refused; `exists` `legacy-key-taken` where the key is another caller's. */
function only({ results: [result] }: Pick<BatchResult, 'results'>): Entry {
  if (result?.existingId !== undefined) throw exists('another caller has this key')
  if (result?.error !== undefined) throw result.error
  if (result?.entry === undefined) throw missing('legacy-unknown', 'nothing came of it')
  return result.entry
}

function message(entry: Entry, lastUsedAt?: Date, revokedAt?: Date): Caller$Input {
  const { name = '', networks = [], resource = '', scopes = [] } = legacyCallerOf(entry) ?? {}
  const { id, spiffeId, owner, purpose, labels, createdAt, expiresAt, disabledAt } = entry
  return {
    ...{ name, owner, purpose, labels, resource, entry_id: id, spiffe_id: spiffeId },
    ...{ networks: [...networks], scopes: [...scopes] },
    created_at_ms: createdAt.getTime(),
    expires_at_ms: expiresAt?.getTime() ?? 0,
    last_used_at_ms: lastUsedAt?.getTime() ?? 0,
    disabled_at_ms: disabledAt?.getTime() ?? 0,
    revoked_at_ms: revokedAt?.getTime() ?? 0,
  }
}

function exists(message: string): CountersignError {
  return new CountersignError('exists', message, {
    reason: 'legacy-key-taken',
    fix: 'give each caller a name and a key of its own',
  })
}

function missing(reason: string, message: string): CountersignError {
  return new CountersignError('invalid', message, { reason })
}
