import { on } from 'node:events'
import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { CheckedPage, EntryQuery, PagesBeside } from './entry-pages.ts'

/** What the thread gets to know. */
export interface EntryThreadData extends EntryQuery {
  readonly path: string
  readonly sealKey: Uint8Array
  /** At most so many pages are sent that were not taken. */
  readonly ahead: number
  /** How many pages were taken; shared. */
  readonly taken: Int32Array<SharedArrayBuffer>
}

/** Beside this file, in the source as in the bundle. */
const script = new URL(`./entry-thread${extname(import.meta.url)}`, import.meta.url)

/** Begins at once to read in a thread of its own. */
export function readInThread(query: EntryQuery, path: string, sealKey: Buffer): PagesBeside {
  const taken = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  const data: EntryThreadData = { ...query, path, sealKey, ahead: 16, taken }
  const worker = new Worker(script, { workerData: data })
  const messages = on(worker, 'message', { close: ['exit'] })
  return { pages: pagesOf(messages, taken), stop: () => worker.terminate() }
}

async function* pagesOf(
  messages: AsyncIterable<readonly unknown[]>,
  taken: Int32Array<SharedArrayBuffer>,
): AsyncGenerator<CheckedPage> {
  for await (const [page] of messages) {
    // Not by a message: each would cost as much as a page's MACs.
    Atomics.add(taken, 0, 1)
    Atomics.notify(taken, 0)
    yield page as CheckedPage
  }
}
