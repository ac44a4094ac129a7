import { constants } from 'node:fs'
import { open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CountersignError } from '../../src/errors.ts'
import { refusedPath } from '../../src/runtime/private-folder.ts'
import { syncFolder } from '../../src/runtime/sync-folder.ts'

/**
 * The file's bytes; undefined where there is none. Throws `forbidden` / `data-mode` where it is no
 * plain file, not ours, or others may read it, `invalid` / `data-file` where it is too large.
 */
export async function readPrivateFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error) => {
    if (codeOf(error) === 'ENOENT') return undefined
    if (codeOf(error) === 'ELOOP') throw refusedPath(path, 'is a symbolic link')
    throw new CountersignError('unavailable', `cannot read ${path}`, {
      reason: 'data-file',
      cause: error,
    })
  })
  if (file === undefined) return undefined
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw refusedPath(path, 'is not a plain file')
    if (stat.uid !== process.geteuid?.()) throw refusedPath(path, 'belongs to another user')
    if ((stat.mode & 0o077) !== 0) {
      throw refusedPath(path, 'can be accessed by others', `chmod 600 ${path}`)
    }
    if (stat.size > maxBytes) {
      throw new CountersignError('invalid', `${path} is too large`, { reason: 'data-file' })
    }
    return await file.readFile()
  } finally {
    await file.close()
  }
}

/**
 * Replaces the file, 0600, so that at any moment either the old or the new bytes are there, also
 * after the power has failed. Throws `unavailable` / `data-unwritable`.
 */
export async function writePrivateFile(
  path: string,
  bytes: AsyncIterable<Uint8Array> | Uint8Array,
): Promise<void> {
  const temporary = unfinished(path)
  try {
    // What an earlier attempt left: never followed, never added to.
    await unlink(temporary).catch(ignoreAbsent)
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(bytes)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (cause) {
    throw new CountersignError('unavailable', `cannot write ${path}`, {
      reason: 'data-unwritable',
      fix: 'look at the space, the owner and the mode of the data folder',
      cause,
    })
  }
}

/** Removes the file where there is one, and what a write that was cut off has left of it. */
export async function removePrivateFile(path: string): Promise<void> {
  await unlink(path).catch(ignoreAbsent)
  await unlink(unfinished(path)).catch(ignoreAbsent)
}

/**
 * Removes what a write of this file has left beside it that was cut off with its process; not to be
 * called during one. What cannot be removed fails the next write, which says so.
 */
export async function removeUnfinished(path: string): Promise<void> {
  await unlink(unfinished(path)).catch(() => undefined)
}

function unfinished(path: string): string {
  return `${path}.new`
}

function ignoreAbsent(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}
