import { chmodSync, lstatSync, rmdirSync } from 'node:fs'
import { CountersignError } from '../errors.ts'
import { makePrivateFolder } from '../runtime/private-folder.ts'

const inUse: ReadonlySet<string> = new Set(['socket-in-use', 'data-in-use'])

/**
 * A folder for the sockets that is ours alone, whoever else may write beside it. Throws `unavailable` /
 * `data-folder` where it cannot be made, `forbidden` / `socket-folder-foreign`.
 */
export function makeOwnFolder(folder: string): void {
  makePrivateFolder(folder)
  const stat = lstatSync(folder)
  if (!stat.isDirectory() || stat.uid !== process.getuid?.()) {
    throw new CountersignError('forbidden', `${folder} is not ours`, {
      reason: 'socket-folder-foreign',
      fix: `have it removed, or set XDG_RUNTIME_DIR to a folder of your own`,
    })
  }
  chmodSync(folder, 0o700)
}

/** Once the sockets are gone; what somebody else has there stays. */
export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch {
    // It is not empty, or not there.
  }
}

/** What was thrown, or `conflict` / `dev-running` where it says that another has taken the place. */
export function alreadyRunning(error: unknown, dataDir: string): unknown {
  if (!(error instanceof CountersignError) || !inUse.has(error.reason)) return error
  return new CountersignError('conflict', `"countersign dev" is already running for ${dataDir}`, {
    reason: 'dev-running',
    fix: 'use that one, or start this one in another folder',
    cause: error,
  })
}
