import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import { type HeldSvid, halfLife, holdKeptSvid, type Moment } from './held-svid.ts'
import type { JwtRecord } from './jwt-record.ts'
import { SharedMap } from './shared-map.ts'
import type { GoodFrom, Snapshot } from './snapshot.ts'

/*
 * What the sealed cache holds, one JSON object a line, so that it can be written in slices. Only what
 * its own key has authenticated is read again.
 */

interface EntryLine extends Omit<Entry, 'expiresAt' | 'createdAt' | 'disabledAt'> {
  readonly is: 'entry'
  readonly expiresAt: number | null
  readonly createdAt: number
}

interface BundleLine {
  readonly is: 'bundle'
  readonly trustDomain: string
  readonly x509: readonly (readonly [certificate: string, tainted: boolean])[]
  readonly jwt: readonly (readonly [id: string, key: string, expires: number, tainted: boolean])[]
  readonly sequence: string
  readonly refreshHintSeconds: number
}

interface SvidLine {
  readonly is: 'svid'
  readonly entryId: string
  readonly shows: string
  readonly signedBy: readonly string[]
  readonly spiffeId: string
  readonly chain: readonly string[]
  readonly key: string
  readonly notBefore: number
  readonly expiresAt: number
}

interface GoodFromLine extends Pick<GoodFrom, 'x509' | 'jwt'> {
  readonly is: 'good-from'
  readonly entryId: string
}

interface TokenLine {
  readonly is: 'token'
  readonly entryId: string
  readonly audience: readonly string[]
  readonly token: string
  readonly keyId: string | null
  readonly issuedAt: number
  readonly expiresAt: number
}

type SnapshotLine = EntryLine | BundleLine | SvidLine | GoodFromLine

export function* snapshotLines(snapshot: Snapshot): Generator<string, void, void> {
  for (const bundle of snapshot.bundles.values()) yield written(bundleLine(bundle))
  for (const entry of snapshot.entries.values()) yield written(entryLine(entry))
  for (const [id, held] of snapshot.svids.entries()) yield written(svidLine(id, held))
  for (const [entryId, { x509, jwt }] of snapshot.goodFrom) {
    yield written({ is: 'good-from', entryId, x509, jwt })
  }
}

export function* tokenLines(tokens: readonly JwtRecord[]): Generator<string, void, void> {
  for (const record of tokens) yield written(tokenLine(record))
}

function written(line: SnapshotLine | TokenLine): string {
  return `${JSON.stringify(line)}\n`
}

function* readLines(text: string): Generator<unknown, void, void> {
  for (const [line] of text.matchAll(/[^\n]+/g)) yield JSON.parse(line)
}

function entryLine(entry: Entry): EntryLine {
  return {
    ...entry,
    is: 'entry',
    expiresAt: entry.expiresAt?.getTime() ?? null,
    createdAt: entry.createdAt.getTime(),
  }
}

function bundleLine(bundle: Bundle): BundleLine {
  return {
    is: 'bundle',
    trustDomain: bundle.trustDomain,
    x509: bundle.x509Authorities.map((a) => [a.certificate.toString('base64'), a.tainted]),
    jwt: bundle.jwtAuthorities.map((a) => [
      a.keyId,
      a.publicKey.toString('base64'),
      a.expiresAt?.getTime() ?? 0,
      a.tainted,
    ]),
    sequence: String(bundle.sequence),
    refreshHintSeconds: bundle.refreshHintSeconds,
  }
}

function svidLine(entryId: string, { svid, shows, signedBy }: HeldSvid): SvidLine {
  return {
    is: 'svid',
    entryId,
    shows,
    signedBy,
    spiffeId: svid.spiffeId,
    chain: svid.chain.map((der) => der.toString('base64')),
    key: svid.privateKey.toString('base64'),
    notBefore: svid.notBefore.getTime(),
    expiresAt: svid.expiresAt.getTime(),
  }
}

function tokenLine(record: JwtRecord): TokenLine {
  return {
    is: 'token',
    entryId: record.entry.id,
    audience: record.audience,
    token: record.token,
    keyId: record.keyId ?? null,
    issuedAt: record.issuedAt.getTime(),
    expiresAt: record.expiresAt.getTime(),
  }
}

/**
 * The other way round, without SVIDs that have expired. `chance` draws when each is due again. Throws
 * where a line is none of ours.
 */
export function readSnapshot(
  text: string,
  where: { readonly logId: string; readonly position: number },
  at: Moment,
  chance: () => number,
): Snapshot {
  const entries = new Map<string, Entry>()
  const bundles = new Map<TrustDomain, Bundle>()
  const svids = new Map<string, HeldSvid>()
  const goodFrom = new Map<string, GoodFrom>()
  for (const line of readLines(text) as Iterable<SnapshotLine>) {
    if (line.is === 'entry') entries.set(line.id, readEntry(line))
    else if (line.is === 'bundle')
      bundles.set(TrustDomain.parse(line.trustDomain), readBundle(line))
    else if (line.is === 'svid') {
      const held = readSvid(line, at, chance())
      const fits = entries.get(line.entryId)?.spiffeId === held.svid.spiffeId
      if (fits && held.expiresAtMs > at.monotonicMs) svids.set(line.entryId, held)
    } else if (line.is === 'good-from') {
      const { entryId, x509, jwt } = line
      goodFrom.set(entryId, { x509, jwt, renewAtMs: at.monotonicMs })
    }
  }
  return { ...where, entries: SharedMap.of(entries), bundles, svids: SharedMap.of(svids), goodFrom }
}

/** The tokens of these entries that have not expired. */
export function readTokens(
  text: string,
  entries: Snapshot['entries'],
  at: Moment,
  chance: () => number,
): JwtRecord[] {
  const tokens: JwtRecord[] = []
  for (const line of readLines(text) as Iterable<TokenLine>) {
    const entry = entries.get(line.entryId)
    if (entry !== undefined && line.expiresAt > at.now.getTime()) {
      tokens.push(readToken(line, entry, at, chance()))
    }
  }
  return tokens
}

function readEntry({ is: _, ...line }: EntryLine): Entry {
  return {
    ...line,
    spiffeId: SpiffeId.parse(line.spiffeId),
    parentId: SpiffeId.parse(line.parentId),
    expiresAt: line.expiresAt === null ? undefined : new Date(line.expiresAt),
    disabledAt: undefined,
    createdAt: new Date(line.createdAt),
  }
}

function readBundle(line: BundleLine): Bundle {
  return {
    trustDomain: TrustDomain.parse(line.trustDomain),
    x509Authorities: line.x509.map(([certificate, tainted]) => ({
      certificate: Buffer.from(certificate, 'base64'),
      tainted,
    })),
    jwtAuthorities: line.jwt.map(([keyId, publicKey, expiresAt, tainted]) => ({
      keyId,
      publicKey: Buffer.from(publicKey, 'base64'),
      expiresAt: expiresAt === 0 ? undefined : new Date(expiresAt),
      tainted,
    })),
    sequence: BigInt(line.sequence),
    refreshHintSeconds: line.refreshHintSeconds,
  }
}

function readSvid(line: SvidLine, at: Moment, chance: number): HeldSvid {
  // Chain and key were checked when they came; to parse a thousand of them again would be the better
  // part of a second.
  const svid: X509Svid = {
    spiffeId: SpiffeId.parse(line.spiffeId),
    chain: line.chain.map((der) => Buffer.from(der, 'base64')),
    privateKey: Buffer.from(line.key, 'base64'),
    notBefore: new Date(line.notBefore),
    expiresAt: new Date(line.expiresAt),
  }
  return holdKeptSvid({ svid, shows: line.shows, signedBy: line.signedBy }, at, chance)
}

function readToken(line: TokenLine, entry: Entry, at: Moment, chance: number): JwtRecord {
  const leftMs = line.expiresAt - at.now.getTime()
  return {
    entry,
    audience: line.audience,
    token: line.token,
    keyId: line.keyId ?? undefined,
    issuedAt: new Date(line.issuedAt),
    expiresAt: new Date(line.expiresAt),
    renewAtMs: at.monotonicMs + leftMs * halfLife(chance),
    expiresAtMs: at.monotonicMs + leftMs,
    used: true,
  }
}
