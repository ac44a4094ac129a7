import type { Fact } from './fact.ts'

/** A map of fewer is in the cache of any processor. */
const few = 1024
/** At least so many bits a fact: of the ids that are not there one in eight at most is looked for in vain. */
const bitsEach = 8
const lookedAt = 12

/**
 * The facts of one kind, by id. Nearly every id that is asked for is in none of them, and to find that out in a map of
 * 50,000 costs most of a microsecond, in memory that is in no cache. One bit for each hash that was ever put in, all of
 * them small enough for the cache, tells it before.
 */
export class FactIndex {
  readonly #facts = new Map<string, Fact>()
  #bits: Uint32Array | undefined
  #marked = 0

  get size(): number {
    return this.#facts.size
  }

  get(id: string): Fact | undefined {
    return this.#bits === undefined || isMarked(this.#bits, id) ? this.#facts.get(id) : undefined
  }

  set(fact: Fact): void {
    this.#facts.set(fact.id, fact)
    this.#marked += 1
    if (this.#marked > few && this.#marked * bitsEach > bitsIn(this.#bits)) this.#drawUp()
    else if (this.#bits !== undefined) mark(this.#bits, fact.id)
  }

  delete(id: string): void {
    // Its bit stays behind, until all are drawn up again.
    this.#facts.delete(id)
  }

  values(): Iterable<Fact> {
    return this.#facts.values()
  }

  #drawUp(): void {
    const bits = 2 ** Math.ceil(Math.log2(Math.max(few, this.#facts.size) * bitsEach * 2))
    this.#bits = new Uint32Array(bits / 32)
    for (const id of this.#facts.keys()) mark(this.#bits, id)
    this.#marked = this.#facts.size
  }
}

function bitsIn(bits: Uint32Array | undefined): number {
  return bits === undefined ? 0 : bits.length * 32
}

function isMarked(bits: Uint32Array, id: string): boolean {
  const at = hashOf(id)
  return ((bits[(at >>> 5) & (bits.length - 1)] ?? 0) & (1 << (at & 31))) !== 0
}

function mark(bits: Uint32Array, id: string): void {
  const at = hashOf(id)
  const word = (at >>> 5) & (bits.length - 1)
  bits[word] = (bits[word] ?? 0) | (1 << (at & 31))
}

/** FNV-1a of the end, where ids differ; one that was chosen to meet another costs a look into the map. */
function hashOf(id: string): number {
  let sum = 0x811c9dc5
  for (let at = Math.max(0, id.length - lookedAt); at < id.length; at += 1) {
    sum = Math.imul(sum ^ id.charCodeAt(at), 0x01000193)
  }
  return sum ^ (sum >>> 15)
}
