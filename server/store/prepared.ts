import type { Compilable, CompiledQuery, Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** Rows in one statement: large enough to spare calls, small enough for every driver's limit on parameters. */
const maxChunk = 128

type Build<Row> = (db: Kysely<Schema>, size: number) => Compilable<Row>

/**
 * A statement whose text depends on nothing but how many rows or keys it takes. It is compiled once
 * for each dialect and size, as building and compiling a wide one costs more than running it. What
 * `build` puts in as values only holds the places, in the order in which parameters are given later.
 */
export function prepared<Row>(
  build: Build<Row>,
): (db: Kysely<Schema>, size: number, parameters: readonly unknown[]) => Promise<Row[]> {
  const byDialect = new WeakMap<object, Map<number, CompiledQuery<Row>>>()
  return async (db, size, parameters) => {
    const { adapter } = db.getExecutor()
    let bySize = byDialect.get(adapter)
    if (bySize === undefined) {
      bySize = new Map()
      byDialect.set(adapter, bySize)
    }
    let query = bySize.get(size)
    if (query === undefined) {
      query = build(db, size).compile()
      bySize.set(size, query)
    }
    return (await db.executeQuery<Row>({ ...query, parameters })).rows
  }
}

/** Splits into chunks of 128, 64, 32 … 1, so that few texts serve every length. */
export function chunksOf<T>(items: readonly T[]): T[][] {
  const chunks: T[][] = []
  let size = maxChunk
  for (let at = 0; at < items.length; ) {
    while (size > items.length - at) size /= 2
    chunks.push(items.slice(at, at + size))
    at += size
  }
  return chunks
}

/** `size` placeholders. */
export function places<T>(size: number, value: T): T[] {
  return Array.from({ length: size }, () => value)
}
