import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import type { Identity, Need, Updates, WorkloadUpdate } from '../../../../agent/cache/cache.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import type { Entry, Selector } from '../../../../src/entry/entry.ts'
import { SpiffeId, TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'

export const trustDomain: TrustDomain = TrustDomain.parse('example.org')
export const friend: TrustDomain = TrustDomain.parse('friend.org')

export interface Signing {
  readonly bundle: Bundle
  sign(claims: Record<string, unknown>): Promise<string>
}

/** A trust domain with one JWT key and bytes that stand for its X.509 authority. */
export function signing(td: TrustDomain, sequence = 1n): Signing {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  return {
    bundle: {
      trustDomain: td,
      x509Authorities: [{ certificate: derOf(`ca of ${td} ${sequence}`), tainted: false }],
      jwtAuthorities: [
        { keyId: 'k1', publicKey: spkiOf(publicKey), expiresAt: undefined, tainted: false },
      ],
      sequence,
      refreshHintSeconds: 0,
    },
    sign: (claims) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'ES256', kid: 'k1', typ: 'JWT' })
        .sign(privateKey),
  }
}

function spkiOf(key: KeyObject): Buffer {
  return createPublicKey(key.export({ type: 'spki', format: 'pem' })).export({
    type: 'spki',
    format: 'der',
  })
}

/** A DER SEQUENCE with these words inside. */
export function derOf(words: string): Buffer {
  const content = Buffer.from(words)
  return Buffer.concat([Buffer.from([0x30, content.length]), content])
}

let lastEntry = 0

export function entryOf(
  path: string,
  selectors: readonly string[],
  more: Partial<Entry> = {},
): Entry {
  lastEntry += 1
  return {
    id: `entry-${lastEntry}`,
    spiffeId: SpiffeId.of(trustDomain, path),
    parentId: SpiffeId.of(trustDomain, '/node'),
    selectors: selectors.map((text) => ({
      type: text.slice(0, text.indexOf(':')),
      value: text.slice(text.indexOf(':') + 1),
    })),
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
    createdAt: new Date(0),
    disableX509SvidPrefetch: false,
    jwtSvidIncludeJti: false,
    jwtSvidSingleUse: false,
    owner: '',
    purpose: '',
    labels: {},
    ...more,
  }
}

export function identityOf(entry: Entry): Identity {
  return {
    entry,
    svid: {
      spiffeId: entry.spiffeId,
      chain: [derOf(`leaf of ${entry.spiffeId}`)],
      privateKey: derOf(`key of ${entry.spiffeId}`),
      notBefore: new Date(0),
      expiresAt: new Date(4e12),
    },
  }
}

/** Updates made by hand: what matches a caller is decided as everywhere, by all selectors of an entry. */
export class HandUpdates implements Updates {
  bundle: Bundle
  federated: ReadonlyMap<TrustDomain, Bundle> = new Map()
  entries: readonly Entry[] = []
  ready = true
  readonly #readers = new Set<{
    readonly selectors: readonly Selector[]
    readonly deliver: (update: WorkloadUpdate) => void
  }>()
  readonly #made = new Map<string, WorkloadUpdate>()

  constructor(bundle: Bundle) {
    this.bundle = bundle
  }

  get readers(): number {
    return this.#readers.size
  }

  set(entries: readonly Entry[]): void {
    this.entries = entries
    this.push()
  }

  push(): void {
    this.#made.clear()
    for (const { selectors, deliver } of this.#readers) deliver(this.#updateFor(selectors))
  }

  current(selectors: readonly Selector[]): WorkloadUpdate | undefined {
    return this.ready ? this.#updateFor(selectors) : undefined
  }

  watch(
    selectors: readonly Selector[],
    _need: Need,
    deliver: (update: WorkloadUpdate) => void,
  ): () => void {
    const reader = { selectors, deliver }
    this.#readers.add(reader)
    deliver(this.#updateFor(selectors))
    return () => this.#readers.delete(reader)
  }

  #updateFor(selectors: readonly Selector[]): WorkloadUpdate {
    const has = new Set(selectors.map(({ type, value }) => `${type}:${value}`))
    const key = [...has].join()
    let update = this.#made.get(key)
    if (update === undefined) {
      const entries = this.entries.filter((entry) =>
        entry.selectors.every(({ type, value }) => has.has(`${type}:${value}`)),
      )
      update = {
        entries,
        identities: entries.map(identityOf),
        bundle: this.bundle,
        federated: this.federated,
      }
      this.#made.set(key, update)
    }
    return update
  }
}
