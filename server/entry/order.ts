const fewChanges = 32

/**
 * The keys of a collection in the order of their code units. Changes are noted and worked in at the
 * next reading, so that a large batch costs one merge; filling it costs nothing before it is read.
 */
export class OrderedIds {
  readonly #all: { keys(): Iterable<string> }
  #ids: string[] | undefined
  readonly #added = new Set<string>()
  readonly #removed = new Set<string>()

  /** `all` is the collection whose changes are told. */
  constructor(all: { keys(): Iterable<string> }) {
    this.#all = all
  }

  add(id: string): void {
    if (this.#ids !== undefined && !this.#removed.delete(id)) this.#added.add(id)
  }

  delete(id: string): void {
    if (this.#ids !== undefined && !this.#added.delete(id)) this.#removed.add(id)
  }

  /** The ids that come after the given one, in order; all where it is undefined. Not to be changed while it is read. */
  *after(id: string | undefined): Generator<string> {
    const ids = this.#settled()
    for (let at = id === undefined ? 0 : firstAfter(ids, id); at < ids.length; at += 1) {
      yield ids[at] as string
    }
  }

  #settled(): readonly string[] {
    const ids = this.#ids
    if (ids === undefined) {
      this.#ids = [...this.#all.keys()].sort()
      return this.#ids
    }
    if (this.#added.size + this.#removed.size <= fewChanges) {
      for (const id of this.#removed) ids.splice(firstAfter(ids, id) - 1, 1)
      for (const id of this.#added) ids.splice(firstAfter(ids, id), 0, id)
    } else {
      const kept = this.#removed.size === 0 ? ids : ids.filter((id) => !this.#removed.has(id))
      this.#ids = merge(kept, [...this.#added].sort())
    }
    this.#added.clear()
    this.#removed.clear()
    return this.#ids ?? ids
  }
}

/** The position of the first id that is greater. */
function firstAfter(ids: readonly string[], id: string): number {
  let low = 0
  let high = ids.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ids[middle] as string) <= id) low = middle + 1
    else high = middle
  }
  return low
}

function merge(a: string[], b: string[]): string[] {
  if (a.length === 0) return b
  if (b.length === 0) return a
  const merged: string[] = []
  let next = 0
  for (const id of a) {
    for (; next < b.length && (b[next] as string) < id; next += 1) merged.push(b[next] as string)
    merged.push(id)
  }
  for (; next < b.length; next += 1) merged.push(b[next] as string)
  return merged
}
