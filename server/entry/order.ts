const fewChanges = 32

/**
 * Ids in the order of their code units. Changes are noted and worked in at the next reading, so that
 * filling it costs one sort and a large batch one merge.
 */
export class OrderedIds {
  #ids: string[] = []
  readonly #added = new Set<string>()
  readonly #removed = new Set<string>()

  add(id: string): void {
    if (!this.#removed.delete(id)) this.#added.add(id)
  }

  delete(id: string): void {
    if (!this.#added.delete(id)) this.#removed.add(id)
  }

  /** The ids that come after the given one, in order; all where it is undefined. Not to be changed while it is read. */
  *after(id: string | undefined): Generator<string> {
    this.#settle()
    const ids = this.#ids
    for (let at = id === undefined ? 0 : firstAfter(ids, id); at < ids.length; at += 1) {
      yield ids[at] as string
    }
  }

  #settle(): void {
    if (this.#added.size + this.#removed.size <= fewChanges) {
      for (const id of this.#removed) this.#ids.splice(firstAfter(this.#ids, id) - 1, 1)
      for (const id of this.#added) this.#ids.splice(firstAfter(this.#ids, id), 0, id)
    } else {
      const kept =
        this.#removed.size === 0 ? this.#ids : this.#ids.filter((id) => !this.#removed.has(id))
      this.#ids = merge(kept, [...this.#added].sort())
    }
    this.#added.clear()
    this.#removed.clear()
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
