import { closeSync, openSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { CountersignError } from '../../src/errors.ts'
import { checkPrivateFile } from '../../src/runtime/private-file.ts'
import { openPrivateFolder } from '../../src/runtime/private-folder.ts'

/**
 * Makes the folder (0700) and the file (0600) where they are not there yet. SQLite gives the files
 * beside it the same mode. Throws as `openPrivateFolder`, `forbidden` / `store-mode` where others may look into an
 * existing file, `unavailable` / `store-unwritable` where it cannot be made.
 */
export function preparePrivateFile(path: string): void {
  openPrivateFolder(dirname(path))
  try {
    closeSync(openSync(path, 'a', 0o600))
    for (const file of [path, `${path}-wal`, `${path}-shm`]) refuseLooser(file)
  } catch (error) {
    if (error instanceof CountersignError) throw error
    throw new CountersignError('unavailable', `cannot create the data file ${path}`, {
      reason: 'store-unwritable',
      fix: 'look at the owner and mode of the data folder',
      cause: error,
    })
  }
}

function refuseLooser(path: string): void {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat !== undefined) checkPrivateFile(path, stat, 'store-mode')
}
