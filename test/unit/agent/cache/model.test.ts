import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Cache, type WorkloadUpdate } from '../../../../agent/cache/cache.ts'
import { type HeldSvid, shownBy } from '../../../../agent/cache/held-svid.ts'
import type { Change } from '../../../../agent/cache/snapshot.ts'
import type { Bundle } from '../../../../src/bundle/bundle.ts'
import type { Entry, Selector } from '../../../../src/entry/entry.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { isMatchedBy } from '../../../support/matched-by.ts'
import {
  bundleWith,
  changeOf,
  entryOf,
  hourMs,
  selectorsOf,
  settle,
  start,
  trustDomain,
  watch,
} from './fixture.ts'

const texts = ['unix:uid:1', 'unix:gid:2', 'unix:path:/a']
const ids = ['a', 'b', 'c', 'd', 'e']
const friends = [TrustDomain.parse('one.test'), TrustDomain.parse('two.test')]
/** What a workload can be, with each part of the selectors there are. */
const workloads: readonly (readonly Selector[])[] = Array.from({ length: 8 }, (_, bits) =>
  selectorsOf(...texts.filter((_text, at) => (bits >> at) & 1)),
)

/** Two for each trust domain; what stands for their certificates is never looked into here. */
const bundles: readonly Bundle[] = [trustDomain, ...friends].flatMap((name) =>
  [1, 2].map((version) =>
    bundleWith([], {
      trustDomain: name,
      x509Authorities: [{ certificate: Buffer.from([version]), tainted: false }],
    }),
  ),
)

const entryArbitrary: fc.Arbitrary<Entry> = fc
  .record({
    id: fc.constantFrom(...ids),
    path: fc.constantFrom('/x', '/y'),
    selectors: fc.subarray(texts, { minLength: 1 }),
    hint: fc.constantFrom('', '', 'h', 'i'),
    age: fc.integer({ min: 0, max: 2 }),
    federatesWith: fc.subarray(friends),
    endsAfterHours: fc.constantFrom(undefined, undefined, 1, 3),
    storeSvid: fc.constantFrom(false, false, false, true),
    dnsNames: fc.subarray(['a.test']),
  })
  .map(({ path, selectors, age, endsAfterHours, ...rest }) =>
    entryOf(path, selectors, {
      ...rest,
      createdAt: new Date(start.getTime() - age),
      expiresAt:
        endsAfterHours === undefined
          ? undefined
          : new Date(start.getTime() + endsAfterHours * hourMs),
    }),
  )

const changeArbitrary: fc.Arbitrary<Change> = fc
  .record({
    snapshot: fc.constantFrom(false, false, true),
    entries: fc.array(entryArbitrary, { maxLength: 12 }),
    removedEntryIds: fc.subarray(ids, { maxLength: 2 }),
    bundles: fc.subarray([...bundles], { maxLength: 3 }),
    removedTrustDomains: fc.subarray([trustDomain, ...friends], { maxLength: 1 }),
  })
  .map(changeOf)

type Command =
  | { readonly is: 'change'; readonly change: Change }
  | { readonly is: 'put'; readonly signed: readonly Entry[] }
  | { readonly is: 'wait' | 'clear' }

const commandArbitrary: fc.Arbitrary<Command> = fc.oneof(
  { weight: 5, arbitrary: changeArbitrary.map((change) => ({ is: 'change' as const, change })) },
  {
    weight: 5,
    arbitrary: fc
      .array(entryArbitrary, { maxLength: 6 })
      .map((signed) => ({ is: 'put' as const, signed })),
  },
  { weight: 2, arbitrary: fc.constant({ is: 'wait' as const }) },
  { weight: 1, arbitrary: fc.constant({ is: 'clear' as const }) },
)

/** The same without an index, a group, or anything that is kept from before. */
class Model {
  readonly entries = new Map<string, Entry>()
  readonly bundles = new Map<TrustDomain, Bundle>()
  readonly svids = new Map<string, HeldSvid>()

  apply(change: Change): void {
    for (const id of change.removedEntryIds) this.entries.delete(id)
    for (const name of change.removedTrustDomains) this.#drop(name)
    if (change.snapshot) {
      this.entries.clear()
      for (const name of this.bundles.keys()) this.#drop(name)
    }
    for (const entry of change.entries) this.entries.set(entry.id, entry)
    for (const bundle of change.bundles) this.bundles.set(bundle.trustDomain, bundle)
    this.#keepSvids((id, held) => this.entries.get(id)?.spiffeId === held.svid.spiffeId)
  }

  put(svids: ReadonlyMap<string, HeldSvid>): void {
    for (const [id, held] of svids) {
      if (this.entries.get(id)?.spiffeId === held.svid.spiffeId) this.svids.set(id, held)
    }
  }

  settle(nowMs: number): void {
    this.#keepSvids((id, held) => held.expiresAtMs > nowMs && !this.entries.get(id)?.storeSvid)
  }

  clear(): void {
    this.entries.clear()
    this.svids.clear()
  }

  update(selectors: readonly Selector[], now: Date): WorkloadUpdate | undefined {
    const bundle = this.bundles.get(trustDomain)
    if (bundle === undefined) return undefined
    const entries = [...this.entries.values()]
      .filter((entry) => !entry.storeSvid && isMatchedBy(entry.selectors, selectors))
      .filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now)
      .sort((a, b) => Number(a.createdAt) - Number(b.createdAt) || (a.id < b.id ? -1 : 1))
    const served = entries.flatMap((entry) => {
      const held = this.svids.get(entry.id)
      return held === undefined ? [] : [{ entry, svid: held.svid }]
    })
    const named = new Set(entries.flatMap(({ federatesWith }) => federatesWith))
    return {
      entries,
      bundle,
      identities: served.filter(
        ({ entry: { hint } }, at) =>
          hint === '' || served.findIndex((one) => one.entry.hint === hint) === at,
      ),
      federated: new Map([...this.bundles].filter(([name]) => named.has(name))),
    }
  }

  #drop(name: TrustDomain): void {
    if (name !== trustDomain) this.bundles.delete(name)
  }

  #keepSvids(keep: (id: string, held: HeldSvid) => boolean): void {
    for (const [id, held] of this.svids) if (!keep(id, held)) this.svids.delete(id)
  }
}

function heldBy(entry: Entry, clock: FakeClock): HeldSvid {
  const now = clock.now()
  return {
    svid: {
      spiffeId: entry.spiffeId,
      chain: [],
      privateKey: Buffer.alloc(0),
      notBefore: now,
      expiresAt: new Date(now.getTime() + hourMs),
    },
    shows: shownBy(entry),
    signedBy: [],
    renewAtMs: clock.monotonicMs() + hourMs / 2,
    expiresAtMs: clock.monotonicMs() + hourMs,
    wallClockCounts: true,
  }
}

async function run(command: Command, cache: Cache, model: Model, clock: FakeClock): Promise<void> {
  switch (command.is) {
    case 'change':
      await cache.apply(command.change)
      model.apply(command.change)
      return
    case 'put': {
      const svids = new Map(command.signed.map((entry) => [entry.id, heldBy(entry, clock)]))
      cache.put(svids)
      model.put(svids)
      return
    }
    case 'wait':
      await clock.advance(hourMs)
      cache.settle()
      model.settle(clock.monotonicMs())
      return
    case 'clear':
      cache.clear()
      model.clear()
  }
}

/** What a workload is told of an update: of the entries only whether there are any. */
const told = (update: WorkloadUpdate | undefined) =>
  update && {
    any: update.entries.length > 0,
    svids: update.identities.map(({ svid, entry }) => [svid, entry.hint]),
    bundle: update.bundle,
    federated: update.federated,
  }

test('after any changes each workload, with or without a stream, has what a plain search finds', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(commandArbitrary, { minLength: 1, maxLength: 15 }),
      async (commands) => {
        const clock = new FakeClock()
        const cache = new Cache({ trustDomain, clock })
        const model = new Model()
        // Half of the workloads have a stream, so that both ways to an answer are gone.
        const streams = workloads
          .filter((_, at) => at % 2 === 1)
          .map((selectors) => ({ selectors, stream: watch(cache, selectors) }))
        await settle()
        for (const command of commands) {
          await run(command, cache, model, clock)
          for (const selectors of workloads) {
            expect(cache.current(selectors)).toEqual(model.update(selectors, clock.now()))
          }
        }
        // Longer than a message waits for SVIDs that stay away.
        await clock.advance(5001)
        for (const { selectors, stream } of streams) {
          const expected = model.update(selectors, clock.now())
          expect(told(stream.last)).toEqual(told(expected))
          stream.stop()
        }
        expect(cache.load).toEqual({ readers: 0, groups: 0 })
        expect(clock.sleeping).toBe(0)
      },
    ),
    { numRuns: 150 },
  )
})
