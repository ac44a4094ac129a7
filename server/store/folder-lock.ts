import { chmodSync, closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { CountersignError } from '../../src/errors.ts'

/**
 * Keeps a second server out of the data folder, before it can touch trail, keys or authorities. The
 * kernel holds the lock for as long as the process lives, however it ends; the result gives it back.
 * Throws `conflict` / `data-in-use`.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'lock')
  closeSync(openSync(path, 'a', 0o600))
  chmodSync(path, 0o600)
  const database = new Database(path, { timeout: 0 })
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    throw new CountersignError('conflict', `another server is using ${folder}`, {
      reason: 'data-in-use',
      fix: 'stop that one, or give this one a data_dir of its own',
      cause,
    })
  }
  return () => database.close()
}
