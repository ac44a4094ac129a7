import type { Kysely } from 'kysely'
import type { Entry } from '../../src/entry/entry.ts'
import type { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { loadAgents } from '../store/agents.ts'
import { loadBundles } from '../store/bundles.ts'
import { type Change, lastChange, readChanges } from '../store/changes.ts'
import { loadEntries } from '../store/entries.ts'
import { factsAfter, type StoredFact } from '../store/revocation-facts.ts'
import type { ChangeKind, Schema } from '../store/schema.ts'
import type { EntryReading } from '../store/store.ts'
import type { Written } from '../store/written.ts'
import type { ChangeBatch } from './changes.ts'
import { OwnWrites } from './own-writes.ts'

/** Lines of the log in one batch. */
const batchSize = 5000

/** Turns the log into batches. Knows which rows it has told of, so that it can say which are gone. */
export class ChangeReader {
  readonly #db: Kysely<Schema>
  readonly #entries = new Set<string>()
  readonly #agents = new Set<SpiffeId>()
  readonly #bundles = new Set<TrustDomain>()
  readonly #own = new OwnWrites()
  /** The number of the last fact that was told of. */
  #facts = 0

  constructor(db: Kysely<Schema>) {
    this.#db = db
  }

  /** Lines that this process has committed: their entries need not be read. */
  hand(written: readonly Written[]): void {
    this.#own.add(written)
  }

  /** All rows, as batches from 0, of which the last is at the reading's position. */
  async *readAll({ position, pages }: EntryReading): AsyncGenerator<ChangeBatch> {
    const nothing = {
      agents: new Map(),
      bundles: new Map(),
      authoritiesChanged: false,
      policiesChanged: false,
      facts: [],
    }
    let last: ReadonlyMap<string, Entry | undefined> = new Map()
    for await (const page of pages) {
      if (last.size > 0) yield { from: 0, to: 0, entries: last, ...nothing }
      last = note(
        this.#entries,
        [],
        byKey(page, (entry) => entry.id),
      )
    }
    yield { from: 0, to: position, entries: last, ...(await this.#readAllButEntries()) }
  }

  /**
   * What came after `position`; undefined where nothing did. Where a part of the log is gone already,
   * the batch holds every row there is, and undefined for each that was told of and is no more.
   */
  async readAfter(position: number): Promise<ChangeBatch | undefined> {
    const changes = await this.#linesAfter(position)
    const last = changes.at(-1)
    if (last === undefined) return undefined
    this.#own.forget(changes)
    // Numbers have no gaps, in no reader's eyes: what is missing was pruned.
    if (changes[0]?.number !== position + 1) return this.#readWhole(position)
    const refs = refsByKind(changes)
    const entryIds = refs.get('entry') ?? []
    const agentIds = (refs.get('agent') ?? []) as SpiffeId[]
    const trustDomains = (refs.get('bundle') ?? []) as TrustDomain[]
    const entries = await this.#entriesOf(changes)
    const agents = await loadAgents(this.#db, agentIds)
    const bundles = await loadBundles(this.#db, trustDomains)
    return {
      from: position,
      to: last.number,
      entries: note(this.#entries, entryIds, entries),
      agents: note(
        this.#agents,
        agentIds,
        byKey(agents, (agent) => agent.id),
      ),
      bundles: note(
        this.#bundles,
        trustDomains,
        byKey(bundles, (bundle) => bundle.trustDomain),
      ),
      authoritiesChanged: refs.has('authority'),
      policiesChanged: refs.has('policy'),
      facts: refs.has('revocation') ? await this.#newFacts(last.number) : [],
    }
  }

  async #linesAfter(position: number): Promise<readonly Written[]> {
    const own = this.#own.after(position, batchSize)
    if (own.length > 0) return own
    const lines = await readChanges(this.#db, position, batchSize)
    return lines.map((line) => this.#own.known(line))
  }

  /** The entries of these lines that there are: as the last line of each left it, or read. */
  async #entriesOf(lines: readonly Written[]): Promise<Map<string, Entry>> {
    const latest = new Map<string, Written>()
    for (const line of lines) if (line.kind === 'entry') latest.set(line.ref, line)
    const unread: string[] = []
    const entries = new Map<string, Entry>()
    for (const [id, line] of latest) {
      if (!('entry' in line)) unread.push(id)
      else if (line.entry !== undefined) entries.set(id, line.entry)
    }
    for (const entry of await loadEntries(this.#db, unread)) entries.set(entry.id, entry)
    return entries
  }

  /** The facts up to this number that were not told of yet. */
  async #newFacts(upTo: number): Promise<readonly StoredFact[]> {
    const found: StoredFact[] = []
    for (let after = this.#facts, more = true; more; ) {
      const page = await factsAfter(this.#db, after, batchSize)
      found.push(...page.facts.filter(({ number }) => number <= upTo))
      after = page.last
      more = page.more && after < upTo
    }
    // Last: what could not be read as a whole is read again.
    this.#facts = found.at(-1)?.number ?? this.#facts
    return found
  }

  async #readWhole(from: number): Promise<ChangeBatch> {
    // The number first: a change between the two comes again with the next batch, and does no harm.
    const to = await lastChange(this.#db)
    const found = byKey(await loadEntries(this.#db), (entry) => entry.id)
    const entries = note(this.#entries, [...this.#entries], found)
    return { from, to, entries, ...(await this.#readAllButEntries()) }
  }

  async #readAllButEntries(): Promise<Omit<ChangeBatch, 'from' | 'to' | 'entries'>> {
    const agents = byKey(await loadAgents(this.#db), (agent) => agent.id)
    const bundles = byKey(await loadBundles(this.#db), (bundle) => bundle.trustDomain)
    return {
      agents: note(this.#agents, [...this.#agents], agents),
      bundles: note(this.#bundles, [...this.#bundles], bundles),
      authoritiesChanged: true,
      policiesChanged: true,
      facts: await this.#newFacts(Number.MAX_SAFE_INTEGER),
    }
  }
}

function refsByKind(changes: readonly Change[]): ReadonlyMap<ChangeKind, string[]> {
  const distinct = new Map<ChangeKind, Set<string>>()
  for (const { kind, ref } of changes) {
    const refs = distinct.get(kind)
    if (refs === undefined) distinct.set(kind, new Set([ref]))
    else refs.add(ref)
  }
  return new Map([...distinct].map(([kind, refs]) => [kind, [...refs]]))
}

function byKey<K, V>(rows: readonly V[], keyOf: (row: V) => K): Map<K, V> {
  const map = new Map<K, V>()
  for (const row of rows) map.set(keyOf(row), row)
  return map
}

/** Adds to the rows found an undefined for each that was asked for in vain; keeps `known` up to date. */
function note<K, V>(
  known: Set<K>,
  asked: readonly K[],
  found: ReadonlyMap<K, V>,
): ReadonlyMap<K, V | undefined> {
  for (const key of found.keys()) known.add(key)
  if (asked.length === 0) return found
  const gone = asked.filter((key) => !found.has(key))
  if (gone.length === 0) return found
  const batch = new Map<K, V | undefined>(found)
  for (const key of gone) {
    batch.set(key, undefined)
    known.delete(key)
  }
  return batch
}
