import { hash } from 'node:crypto'
import type { Entry } from '../../src/entry/entry.ts'
import { sortSelectors } from '../../src/entry/selector.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'

type Instant = 'createdAt' | 'expiresAt' | 'disabledAt'

/** What most entries do not use is left out of the text: it is read a hundred thousand times at start. */
type Body = Pick<Entry, 'id' | 'spiffeId' | 'parentId' | 'selectors' | 'revision'> & {
  readonly createdAt: number
  expiresAt?: number
  disabledAt?: number
} & { -readonly [K in Exclude<keyof Entry, Instant>]?: Entry[K] }

export function encodeEntry(entry: Entry): string {
  const { id, spiffeId, parentId, selectors, revision } = entry
  const createdAt = entry.createdAt.getTime()
  const body: Body = { id, spiffeId, parentId, selectors, revision, createdAt }
  if (entry.x509SvidTtlSeconds !== 0) body.x509SvidTtlSeconds = entry.x509SvidTtlSeconds
  if (entry.jwtSvidTtlSeconds !== 0) body.jwtSvidTtlSeconds = entry.jwtSvidTtlSeconds
  if (entry.federatesWith.length > 0) body.federatesWith = entry.federatesWith
  if (entry.admin) body.admin = true
  if (entry.downstream) body.downstream = true
  if (entry.expiresAt !== undefined) body.expiresAt = entry.expiresAt.getTime()
  if (entry.disabledAt !== undefined) body.disabledAt = entry.disabledAt.getTime()
  if (entry.dnsNames.length > 0) body.dnsNames = entry.dnsNames
  if (entry.storeSvid) body.storeSvid = true
  if (entry.hint !== '') body.hint = entry.hint
  if (entry.disableX509SvidPrefetch) body.disableX509SvidPrefetch = true
  if (entry.jwtSvidIncludeJti) body.jwtSvidIncludeJti = true
  if (entry.jwtSvidSingleUse) body.jwtSvidSingleUse = true
  if (entry.owner !== '') body.owner = entry.owner
  if (entry.purpose !== '') body.purpose = entry.purpose
  if (Object.keys(entry.labels).length > 0) body.labels = entry.labels
  return JSON.stringify(body)
}

const none: readonly never[] = Object.freeze([])
const noLabels: Entry['labels'] = Object.freeze({})

/** Throws what `JSON.parse` throws. */
export function decodeEntry(text: string): Entry {
  const body: Body = JSON.parse(text)
  return {
    id: body.id,
    spiffeId: body.spiffeId,
    parentId: body.parentId,
    selectors: body.selectors,
    x509SvidTtlSeconds: body.x509SvidTtlSeconds ?? 0,
    jwtSvidTtlSeconds: body.jwtSvidTtlSeconds ?? 0,
    federatesWith: body.federatesWith ?? none,
    admin: body.admin ?? false,
    downstream: body.downstream ?? false,
    expiresAt: body.expiresAt === undefined ? undefined : new Date(body.expiresAt),
    disabledAt: body.disabledAt === undefined ? undefined : new Date(body.disabledAt),
    dnsNames: body.dnsNames ?? none,
    revision: body.revision,
    storeSvid: body.storeSvid ?? false,
    hint: body.hint ?? '',
    createdAt: new Date(body.createdAt),
    disableX509SvidPrefetch: body.disableX509SvidPrefetch ?? false,
    jwtSvidIncludeJti: body.jwtSvidIncludeJti ?? false,
    jwtSvidSingleUse: body.jwtSvidSingleUse ?? false,
    owner: body.owner ?? '',
    purpose: body.purpose ?? '',
    labels: body.labels ?? noLabels,
  }
}

/** How much of a path stands in front of a natural key. */
const keyPathLength = 32

/**
 * What may be there once only: SPIFFE ID, parent and set of selectors, in any order. The SHA-256 of
 * them (base64url) decides; each part is preceded by its length, so that no two triples are the same
 * text. The beginning of the path stands before it, because a batch often holds neighbours, and keys
 * that lie side by side in the index are written twice as fast as such as lie anywhere.
 */
export function naturalKey(entry: Pick<Entry, 'spiffeId' | 'parentId' | 'selectors'>): string {
  let text = part(entry.spiffeId) + part(entry.parentId)
  for (const { type, value } of sortSelectors(entry.selectors)) text += part(type) + part(value)
  const path = SpiffeId.pathOf(entry.spiffeId).slice(0, keyPathLength)
  return `${path} ${hash('sha256', text, 'base64url')}`
}

function part(text: string): string {
  return `${text.length}:${text}`
}
