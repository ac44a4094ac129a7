import { randomUUID } from 'node:crypto'
import type { Cache, WorkloadUpdate } from '../../../../agent/cache/cache.ts'
import { type HeldSvid, holdNewSvid, shownBy } from '../../../../agent/cache/held-svid.ts'
import type { Change } from '../../../../agent/cache/snapshot.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import type { Entry, Selector } from '../../../../src/entry/entry.ts'
import { parseSelector, sortSelectors } from '../../../../src/entry/selector.ts'
import type { Clock } from '../../../../src/runtime/clock.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../../src/svid/x509-svid.ts'
import { parseCertificate } from '../../../../src/x509/certificate.ts'
import { type CertificateAuthority, issueLeaf, issueRootCa } from '../../../../src/x509/issue.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../../../src/x509/key.ts'

export const trustDomain: TrustDomain = TrustDomain.parse('example.org')
export const agentId: SpiffeId = SpiffeId.parse('spiffe://example.org/spire/agent/join_token/a')
export const hourMs = 3_600_000
/** Where a `FakeClock` starts. */
export const start: Date = new Date('2026-06-01T12:00:00Z')

export async function makeCa(
  name: TrustDomain = trustDomain,
  from: Date = start,
): Promise<CertificateAuthority> {
  const { privateKey } = await generateKeyPair('ec-p256')
  const signer = softwareSigner(privateKey)
  const der = await issueRootCa({
    trustDomain: name,
    signer,
    notBefore: new Date(from.getTime() - hourMs),
    notAfter: new Date(from.getTime() + 1000 * hourMs),
  })
  return { certificate: parseCertificate(der), signer }
}

export function bundleWith(
  authorities: readonly { readonly ca: CertificateAuthority; readonly tainted?: boolean }[],
  extra: Partial<Bundle> = {},
): Bundle {
  return {
    trustDomain,
    x509Authorities: authorities.map(({ ca, tainted = false }) => ({
      certificate: ca.certificate.der,
      tainted,
    })),
    jwtAuthorities: [],
    sequence: 1n,
    refreshHintSeconds: 0,
    ...extra,
  }
}

export function entryOf(
  path: string,
  selectors: readonly string[],
  extra: Partial<Entry> = {},
): Entry {
  return {
    id: extra.id ?? randomUUID(),
    spiffeId: SpiffeId.of(trustDomain, path),
    parentId: agentId,
    selectors: sortSelectors(selectors.map(parseSelector)),
    x509SvidTtlSeconds: 0,
    jwtSvidTtlSeconds: 0,
    federatesWith: [],
    admin: false,
    downstream: false,
    expiresAt: undefined,
    disabledAt: undefined,
    dnsNames: [],
    revision: 0,
    storeSvid: false,
    hint: '',
    createdAt: start,
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
    jwtSvidSingleUse: false,
    owner: '',
    purpose: '',
    labels: {},
    ...extra,
  }
}

export function selectorsOf(...texts: readonly string[]): Selector[] {
  return texts.map(parseSelector)
}

export async function leafFor(
  spki: Buffer,
  entry: Pick<Entry, 'spiffeId'>,
  ca: CertificateAuthority,
  life: { readonly from?: Date; readonly ttlMs?: number } = {},
): Promise<Buffer> {
  const from = life.from ?? start
  return issueLeaf(
    {
      spiffeId: entry.spiffeId,
      spki,
      notBefore: new Date(from.getTime() - 10_000),
      notAfter: new Date(from.getTime() + (life.ttlMs ?? hourMs)),
    },
    ca,
  )
}

export async function svidFor(
  entry: Pick<Entry, 'spiffeId'>,
  ca: CertificateAuthority,
  life: { readonly from?: Date; readonly ttlMs?: number } = {},
): Promise<X509Svid> {
  const { privateKey, publicKey } = await generateKeyPair('ec-p256')
  const leaf = await leafFor(spkiOf(publicKey), entry, ca, life)
  const { notBefore, notAfter } = parseCertificate(leaf)
  return {
    spiffeId: entry.spiffeId,
    chain: [leaf],
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }),
    notBefore,
    expiresAt: notAfter,
  }
}

/** An SVID as it is held when it came just now, due at exactly half of its life. */
export async function heldFor(
  entry: Entry,
  ca: CertificateAuthority,
  clock: Clock,
  ttlMs: number = hourMs,
): Promise<HeldSvid> {
  const now = clock.now()
  const svid = await svidFor(entry, ca, { from: now, ttlMs })
  return holdNewSvid(svid, shownBy(entry), { now, monotonicMs: clock.monotonicMs() }, 0.5)
}

export function changeOf(change: Partial<Change>): Change {
  return {
    logId: 'log',
    position: 1,
    snapshot: false,
    entries: [],
    removedEntryIds: [],
    bundles: [],
    removedTrustDomains: [],
    goodFrom: new Map(),
    ...change,
  }
}

/** Puts SVIDs for these entries into the cache. */
export async function sign(
  cache: Cache,
  clock: Clock,
  ca: CertificateAuthority,
  entries: readonly Entry[],
): Promise<void> {
  const held = new Map<string, HeldSvid>()
  for (const entry of entries) held.set(entry.id, await heldFor(entry, ca, clock))
  cache.put(held)
}

/** A stream that takes its messages as they come. */
export interface Watched {
  readonly updates: WorkloadUpdate[]
  readonly last: WorkloadUpdate | undefined
  stop(): void
}

export function watch(
  cache: Cache,
  selectors: readonly Selector[],
  need: 'svids' | 'bundles' = 'svids',
): Watched {
  const updates: WorkloadUpdate[] = []
  const stop = cache.watch(selectors, need, (update) => updates.push(update))
  return {
    updates,
    get last() {
      return updates.at(-1)
    },
    stop,
  }
}

/** Lets everything run that is ready to. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve)
    })
  }
}

export function pathsOf(update: WorkloadUpdate | undefined): string[] | undefined {
  return update?.identities.map(({ svid }) => SpiffeId.pathOf(svid.spiffeId))
}
