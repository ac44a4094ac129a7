import { constants } from 'node:fs'
import { lstat, mkdir, open, rename, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CountersignError } from '../../src/errors.ts'

/**
 * Makes the folder, 0700, where it is not there. Throws `forbidden` / `data-mode` where it is no
 * folder, not ours, or others may look into it, `unavailable` / `data-folder` where it cannot be made.
 */
export async function openPrivateFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 })
  } catch (cause) {
    throw new CountersignError('unavailable', `cannot make the folder ${path}`, {
      reason: 'data-folder',
      fix: 'look at the owner and mode of the folder above it',
      cause,
    })
  }
  const stat = await lstat(path)
  if (!stat.isDirectory()) throw refused(path, 'is not a folder')
  if (stat.uid !== process.geteuid?.()) throw refused(path, 'belongs to another user')
  if ((stat.mode & 0o077) !== 0) {
    throw refused(path, 'can be accessed by others', `chmod 700 ${path}`)
  }
}

/**
 * The file's bytes; undefined where there is none. Throws `forbidden` / `data-mode` where it is no
 * plain file, not ours, or others may read it, `invalid` / `data-file` where it is too large.
 */
export async function readPrivateFile(path: string, maxBytes: number): Promise<Buffer | undefined> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error) => {
    if (codeOf(error) === 'ENOENT') return undefined
    if (codeOf(error) === 'ELOOP') throw refused(path, 'is a symbolic link')
    throw new CountersignError('unavailable', `cannot read ${path}`, {
      reason: 'data-file',
      cause: error,
    })
  })
  if (file === undefined) return undefined
  try {
    const stat = await file.stat()
    if (!stat.isFile()) throw refused(path, 'is not a plain file')
    if (stat.uid !== process.geteuid?.()) throw refused(path, 'belongs to another user')
    if ((stat.mode & 0o077) !== 0) {
      throw refused(path, 'can be accessed by others', `chmod 600 ${path}`)
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

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function ignoreAbsent(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/** What stands there is somebody's: nothing of it is touched, and the operator is to look at it. */
const LOOK = 'see who made it and why; then remove it, or choose another data_dir'

function refused(path: string, what: string, fix: string = LOOK): CountersignError {
  const reason = 'data-mode'
  return new CountersignError('forbidden', `${path} ${what}`, { reason, fix })
}
