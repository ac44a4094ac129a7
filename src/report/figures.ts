import { type Found, type RecordFilter, searchFiles } from '../audit/search.ts'
import type { StoredRecord } from '../audit/stored-record.ts'

/** What one pass through a trail counts. Nothing here grows with the trail. */
export interface TrailFigures {
  records: number
  from: string | undefined
  to: string | undefined
  readonly kinds: Map<string, number>
  /** Refused tokens and calls by their reason, at most 100 of these. */
  readonly denials: Map<string, number>
  /** Tokens by how the client proved itself. */
  readonly auth: Map<string, number>
  /** Access tokens by issue and exchange, without canaries; of these, bound to a certificate; the longest life, seconds. */
  tokens: number
  boundTokens: number
  longestSeconds: number
  /** For subjects that another issuer names. */
  foreignSubjects: number
  ownersCutOff: number
  /** SVIDs that somebody on the server's admin socket had signed. */
  signedByHand: number
  /** Records out of which something that looked like a credential was taken. */
  withheld: number
  lastHead: string | undefined
  policyRevision: string | undefined
}

/** What the server says of now. */
export interface ServerFigures {
  readonly entries: number
  readonly withoutOwner: number
  readonly withoutPurpose: number
  readonly withoutEnd: number
  readonly disabled: number
  /** SPIFFE IDs that more than one entry gives. */
  readonly sharedIds: number
  readonly adminEntries: number
  /** Clients × resources with tokens that are good, as far as one list tells. */
  readonly grants: number
  /** There are more than it tells. */
  readonly moreGrants: boolean
  readonly relationships: number
  /** Of callers that can send nothing else: those that open something, that nobody has used for two weeks; the last end. */
  readonly staticKeys: number
  readonly idleStaticKeys: number
  readonly lastKeyEnd: Date | undefined
}

const maxReasons = 100

/** `onBroken` is told of lines that are no records, and count for nothing. Throws as `searchFiles`. */
export async function readTrailFigures(
  path: string,
  filter: RecordFilter,
  onBroken?: () => void,
  signal?: AbortSignal,
): Promise<TrailFigures> {
  const figures: TrailFigures = {
    ...{ records: 0, from: undefined, to: undefined },
    ...{ kinds: new Map(), denials: new Map(), auth: new Map() },
    ...{ tokens: 0, boundTokens: 0, longestSeconds: 0, foreignSubjects: 0 },
    ...{ ownersCutOff: 0, signedByHand: 0, withheld: 0 },
    ...{ lastHead: undefined, policyRevision: undefined },
  }
  for await (const found of searchFiles(path, filter, onBroken, signal)) count(found, figures)
  return figures
}

function count({ record, line }: Found, figures: TrailFigures): void {
  const { kind, time, actor, reason, details } = record
  figures.records += 1
  figures.from ??= time
  figures.to = time
  add(figures.kinds, kind)
  if (line.includes('[secret sha256:')) figures.withheld += 1
  if (record.decision === 'deny') addDenial(figures.denials, reason ?? 'unknown')
  const isToken = kind === 'token.issued' || kind === 'token.exchanged'
  // Of canaries there are more than of all others, and they open nothing.
  if (isToken && reason !== 'canary') countToken(record, figures)
  if (details?.['subjectIssuer'] !== undefined && record.decision === 'allow') {
    figures.foreignSubjects += 1
  }
  if (kind.startsWith('svid.') && actor.kind === 'local') figures.signedByHand += 1
  if (kind === 'revocation.written' && details?.['kind'] === 'owner') figures.ownersCutOff += 1
  if (kind === 'trail.head') figures.lastHead = time
  if (kind === 'policy.loaded') figures.policyRevision = record.policyRevision
}

function countToken(
  { actor, confirmation, ttlSeconds = 0 }: StoredRecord,
  figures: TrailFigures,
): void {
  figures.tokens += 1
  if (confirmation !== undefined) figures.boundTokens += 1
  figures.longestSeconds = Math.max(figures.longestSeconds, ttlSeconds)
  add(figures.auth, actor.auth ?? 'unknown')
}

function addDenial(denials: Map<string, number>, reason: string): void {
  if (denials.has(reason) || denials.size < maxReasons) add(denials, reason)
}

function add(counts: Map<string, number>, word: string): void {
  counts.set(word, (counts.get(word) ?? 0) + 1)
}
