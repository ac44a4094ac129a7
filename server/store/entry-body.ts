import { hash } from 'node:crypto'
import type { Entry } from '../../src/entry/entry.ts'
import { sortSelectors } from '../../src/entry/selector.ts'

/** What most entries do not use is left out of the text: it is read a hundred thousand times at start. */
type Body = Pick<Entry, 'id' | 'spiffeId' | 'parentId' | 'selectors' | 'revision'> & {
  readonly createdAt: number
  readonly expiresAt?: number
} & Partial<Omit<Entry, 'createdAt' | 'expiresAt'>>

export function encodeEntry(entry: Entry): string {
  const body: Body = {
    id: entry.id,
    spiffeId: entry.spiffeId,
    parentId: entry.parentId,
    selectors: entry.selectors,
    revision: entry.revision,
    createdAt: entry.createdAt.getTime(),
    ...(entry.x509SvidTtlSeconds !== 0 && { x509SvidTtlSeconds: entry.x509SvidTtlSeconds }),
    ...(entry.jwtSvidTtlSeconds !== 0 && { jwtSvidTtlSeconds: entry.jwtSvidTtlSeconds }),
    ...(entry.federatesWith.length > 0 && { federatesWith: entry.federatesWith }),
    ...(entry.admin && { admin: true }),
    ...(entry.downstream && { downstream: true }),
    ...(entry.expiresAt !== undefined && { expiresAt: entry.expiresAt.getTime() }),
    ...(entry.dnsNames.length > 0 && { dnsNames: entry.dnsNames }),
    ...(entry.storeSvid && { storeSvid: true }),
    ...(entry.hint !== '' && { hint: entry.hint }),
    ...(entry.disableX509SvidPrefetch && { disableX509SvidPrefetch: true }),
    ...(entry.jwtSvidIncludeJti && { jwtSvidIncludeJti: true }),
    ...(entry.owner !== '' && { owner: entry.owner }),
    ...(entry.purpose !== '' && { purpose: entry.purpose }),
    ...(Object.keys(entry.labels).length > 0 && { labels: entry.labels }),
  }
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
    dnsNames: body.dnsNames ?? none,
    revision: body.revision,
    storeSvid: body.storeSvid ?? false,
    hint: body.hint ?? '',
    createdAt: new Date(body.createdAt),
    disableX509SvidPrefetch: body.disableX509SvidPrefetch ?? false,
    jwtSvidIncludeJti: body.jwtSvidIncludeJti ?? false,
    owner: body.owner ?? '',
    purpose: body.purpose ?? '',
    labels: body.labels ?? noLabels,
  }
}

/**
 * What may be there once only: SPIFFE ID, parent and set of selectors, in any order, as a SHA-256 in
 * base64url. Each part is preceded by its length, so that no two triples are the same text.
 */
export function naturalKey(entry: Pick<Entry, 'spiffeId' | 'parentId' | 'selectors'>): string {
  let text = part(entry.spiffeId) + part(entry.parentId)
  for (const { type, value } of sortSelectors(entry.selectors)) text += part(type) + part(value)
  return hash('sha256', text, 'base64url')
}

function part(text: string): string {
  return `${text.length}:${text}`
}
