import { chmodSync, closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { CountersignError } from '../../src/errors.ts'
import { isBusy } from './driver-error.ts'

/**
 * Keeps a second server, or broker, out of the data folder, before it can touch trail, keys or authorities. The
 * kernel holds the lock for as long as the process lives, however it ends; the result gives it back.
 * Throws `conflict` / `data-in-use`, `unavailable` / `data-unwritable`.
 */
export function lockFolder(folder: string): () => void {
  const path = join(folder, 'lock')
  const database = openLock(path)
  try {
    database.exec('BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    if (!isBusy(cause)) throw unlockable(path, cause)
    throw new CountersignError('conflict', `another process is using ${folder}`, {
      reason: 'data-in-use',
      fix: 'stop that one, or give this one a data_dir of its own',
      cause,
    })
  }
  return () => database.close()
}

function openLock(path: string): Database.Database {
  try {
    closeSync(openSync(path, 'a', 0o600))
    chmodSync(path, 0o600)
    return new Database(path, { timeout: 0 })
  } catch (cause) {
    throw unlockable(path, cause)
  }
}

function unlockable(path: string, cause: unknown): CountersignError {
  return new CountersignError('unavailable', `cannot lock ${path}`, {
    reason: 'data-unwritable',
    fix: 'look at the space, the owner and the mode of the data folder',
    cause,
  })
}
