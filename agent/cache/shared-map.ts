const shardCount = 256
const stepSize = 256

type Shard<V> = ReadonlyMap<string, V>

function shardOf(key: string): number {
  let hash = 0x811c9dc5
  for (let at = 0; at < key.length; at += 1) {
    hash = Math.imul(hash ^ key.charCodeAt(at), 0x01000193)
  }
  return ((hash >>> 16) ^ hash) & (shardCount - 1)
}

/**
 * A map that is never edited: a change gives a new one that shares with the old what did not change,
 * so that one entry of 10,000 costs a copy of some forty.
 */
export class SharedMap<V> {
  readonly #shards: readonly (Shard<V> | undefined)[]
  readonly size: number

  private constructor(shards: readonly (Shard<V> | undefined)[], size: number) {
    this.#shards = shards
    this.size = size
  }

  static of<V>(items: Iterable<readonly [string, V]> = []): SharedMap<V> {
    return new SharedMap<V>([], 0).with(items)
  }

  get(key: string): V | undefined {
    return this.#shards[shardOf(key)]?.get(key)
  }

  has(key: string): boolean {
    return this.#shards[shardOf(key)]?.has(key) === true
  }

  /** This map with the changes; `undefined` takes a key out. */
  with(changes: Iterable<readonly [string, V | undefined]>): SharedMap<V> {
    const steps = this.withInSteps(changes)
    for (;;) {
      const step = steps.next()
      if (step.done) return step.value
    }
  }

  /** As `with`, for many: whoever runs it may pause at each step. */
  *withInSteps(
    changes: Iterable<readonly [string, V | undefined]>,
  ): Generator<void, SharedMap<V>, void> {
    const shards = [...this.#shards]
    shards.length = shardCount
    const copied = new Map<number, Map<string, V>>()
    let size = this.size
    let done = 0
    for (const [key, value] of changes) {
      done += 1
      if (done % stepSize === 0) yield
      const at = shardOf(key)
      let shard = copied.get(at)
      if (shard === undefined) {
        shard = new Map(shards[at])
        copied.set(at, shard)
        shards[at] = shard
      }
      size -= shard.size
      if (value === undefined) shard.delete(key)
      else shard.set(key, value)
      size += shard.size
    }
    return copied.size === 0 ? this : new SharedMap(shards, size)
  }

  *entries(): Generator<readonly [string, V], void, void> {
    for (const shard of this.#shards) if (shard !== undefined) yield* shard
  }

  *keys(): Generator<string, void, void> {
    for (const shard of this.#shards) if (shard !== undefined) yield* shard.keys()
  }

  *values(): Generator<V, void, void> {
    for (const shard of this.#shards) if (shard !== undefined) yield* shard.values()
  }
}
