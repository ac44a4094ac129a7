import type { Kysely } from 'kysely'
import type { EntryQuery, PagesBeside } from './entry-pages.ts'
import type { Schema } from './schema.ts'

/** What a store asks of a database; how one gives it, its driver's file knows alone. */
export interface Connections {
  /**
   * For transactions only, one at a time. Beginning one waits for the writer of every other process,
   * so that what a job reads is what it changes; throws `store-busy` or a driver's word for busy
   * where that takes too long. What is committed survives a power cut.
   */
  readonly writer: Kysely<Schema>
  /** Sees what is committed, waits for no transaction, and cannot write. */
  readonly reader: Kysely<Schema>
  /** Whether the operator has said that rows from before there were MACs may get one; said once. */
  takeConsent(): boolean
  /** Begins to read entries in a thread of its own, which also looks at their MACs; until `close` at most. */
  readonly readBeside?: (query: EntryQuery, sealKey: Buffer) => PagesBeside
  close(): Promise<void>
}
