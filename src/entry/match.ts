import type { Selector } from './entry.ts'
import { selectorKey } from './selector.ts'

interface Matchable {
  readonly id: string
  readonly selectors: readonly Selector[]
}

/** A selector that at least one group asks for. */
interface Known<T> {
  readonly key: string
  readonly number: number
  /** How many groups ask for it. */
  uses: number
  /** The groups that hang here: those that ask for nothing rarer. */
  groups: Group<T>[]
  /** At how many groups the anchors here are chosen anew. */
  reviewAt: number
  /** The number of the last match in which the workload had it. */
  seenIn: number
}

/** The items that ask for one and the same set of selectors. */
interface Group<T> {
  readonly key: string
  readonly needs: readonly Known<T>[]
  /** The item itself where it is the only one: most are, and a map for each would outweigh them all. */
  items: T | Map<string, T>
  anchor: Known<T>
}

const firstReviewAt = 16

/**
 * Finds the items all of whose selectors a workload or a node has. Items that ask for the same set
 * form a group, and each group hangs under its rarest selector, so that a match looks at few groups
 * however many items there are. An item without selectors matches nobody.
 */
export class SelectorMatcher<T extends Matchable> {
  readonly #known = new Map<string, Known<T>>()
  readonly #groups = new Map<string, Group<T>>()
  readonly #groupOf = new Map<string, Group<T>>()
  #nextNumber = 0
  #matches = 0

  get size(): number {
    return this.#groupOf.size
  }

  /** Adds the item, in place of another with the same `id`. */
  put(item: T): void {
    const keys = [...new Set(item.selectors.map(selectorKey))]
    const held = this.#groupOf.get(item.id)
    if (held !== undefined && isFor(held, keys)) {
      add(held, item)
      return
    }
    this.delete(item.id)
    if (keys.length === 0) return
    this.#groupOf.set(item.id, this.#inGroup(keys, item))
  }

  delete(id: string): void {
    const group = this.#groupOf.get(id)
    if (group === undefined) return
    this.#groupOf.delete(id)
    const { items } = group
    if (items instanceof Map) items.delete(id)
    if (!(items instanceof Map) || items.size === 0) this.#dropGroup(group)
  }

  /** Every item whose selectors are all among these, in no particular order. */
  match(selectors: readonly Selector[]): T[] {
    this.#matches += 1
    const had: Known<T>[] = []
    for (const selector of selectors) {
      const known = this.#known.get(selectorKey(selector))
      if (known === undefined || known.seenIn === this.#matches) continue
      known.seenIn = this.#matches
      had.push(known)
    }
    const found: T[] = []
    for (const known of had) {
      for (const group of known.groups) {
        if (group.needs.every((need) => need.seenIn === this.#matches)) {
          const { items } = group
          if (!(items instanceof Map)) found.push(items)
          else for (const item of items.values()) found.push(item)
        }
      }
    }
    return found
  }

  /** Puts the item, which is in no group, into the one for these keys. */
  #inGroup(keys: readonly string[], item: T): Group<T> {
    const needs = keys.map((key) => this.#know(key)).sort((a, b) => a.number - b.number)
    const key = needs.map((known) => known.number).join()
    const existing = this.#groups.get(key)
    if (existing !== undefined) {
      add(existing, item)
      return existing
    }
    for (const known of needs) known.uses += 1
    const group: Group<T> = { key, needs, items: item, anchor: rarest(needs) }
    this.#groups.set(key, group)
    this.#hang(group)
    return group
  }

  #know(key: string): Known<T> {
    const existing = this.#known.get(key)
    if (existing !== undefined) return existing
    const known: Known<T> = {
      key,
      number: this.#nextNumber,
      uses: 0,
      groups: [],
      reviewAt: firstReviewAt,
      seenIn: 0,
    }
    this.#nextNumber += 1
    this.#known.set(key, known)
    return known
  }

  #hang(group: Group<T>): void {
    const { anchor } = group
    // A first `push` would reserve room for sixteen more.
    if (anchor.groups.length === 0) anchor.groups = [group]
    else anchor.groups.push(group)
    if (anchor.groups.length >= anchor.reviewAt) this.#review(anchor)
  }

  /**
   * What was rare when a group came may have become common since: its groups move to what is rarest
   * now. Done when their number has doubled, so that the cost of an addition stays constant on
   * average.
   */
  #review(known: Known<T>): void {
    const moving: Group<T>[] = []
    let kept = 0
    for (const group of known.groups) {
      const anchor = rarest(group.needs)
      if (anchor.uses < known.uses) {
        group.anchor = anchor
        moving.push(group)
      } else {
        known.groups[kept] = group
        kept += 1
      }
    }
    known.groups.length = kept
    known.reviewAt = Math.max(firstReviewAt, kept * 2)
    // Without a review of its own: the new anchor is rarer, so that no chain of moves can arise.
    for (const group of moving) group.anchor.groups.push(group)
  }

  #dropGroup(group: Group<T>): void {
    this.#groups.delete(group.key)
    const { groups } = group.anchor
    const last = groups.pop()
    if (last !== undefined && last !== group) groups[groups.indexOf(group)] = last
    for (const known of group.needs) {
      known.uses -= 1
      if (known.uses === 0) this.#known.delete(known.key)
    }
  }
}

function add<T extends Matchable>(group: Group<T>, item: T): void {
  const { items } = group
  if (items instanceof Map) items.set(item.id, item)
  else if (items.id === item.id) group.items = item
  else {
    group.items = new Map([
      [items.id, items],
      [item.id, item],
    ])
  }
}

function isFor<T>(group: Group<T>, keys: readonly string[]): boolean {
  const wanted = new Set(keys)
  return group.needs.length === wanted.size && group.needs.every((need) => wanted.has(need.key))
}

function rarest<T>(needs: readonly Known<T>[]): Known<T> {
  return needs.reduce((best, known) => (known.uses < best.uses ? known : best))
}
