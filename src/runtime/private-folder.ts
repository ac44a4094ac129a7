import { lstatSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { CountersignError } from '../errors.ts'

/**
 * Makes the folder, 0700, where it is not there, with all above it. Throws `forbidden` / `data-mode` where it is
 * no folder, not ours, or others may look into it, `unavailable` / `data-folder` where it cannot be made.
 */
export function openPrivateFolder(path: string): void {
  makePrivateFolder(path)
  const stat = lstatSync(path)
  if (!stat.isDirectory()) throw refusedPath(path, 'is not a folder')
  if (stat.uid !== process.geteuid?.()) throw refusedPath(path, 'belongs to another user')
  if ((stat.mode & 0o077) !== 0) {
    throw refusedPath(path, 'can be accessed by others', `chmod 700 ${path}`)
  }
}

/**
 * Makes the folder, 0700, with all above it; one that is there stays as it is. Throws `unavailable` / `data-folder`.
 * Node's own `recursive` never returns where a file system says that a folder which is there is not (/proc).
 */
export function makePrivateFolder(path: string): void {
  const code = tryToMake(path)
  if (code === undefined || code === 'EEXIST') return
  const above = dirname(path)
  if (code === 'ENOENT' && above !== path) {
    makePrivateFolder(above)
    if (tryToMake(path) === undefined) return
  }
  throw new CountersignError('unavailable', `cannot make the folder ${path} (${code})`, {
    reason: 'data-folder',
    fix: 'look at the owner and mode of the folder above it, or choose another place',
  })
}

function tryToMake(path: string): string | undefined {
  try {
    mkdirSync(path, { mode: 0o700 })
    return undefined
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? 'EIO'
  }
}

/** What stands there is somebody's: nothing of it is touched, and the operator is to look at it. */
const look = 'see who made it and why; then remove it, or choose another data_dir'

/** `forbidden` / `data-mode` for what stands at a path of ours. */
export function refusedPath(path: string, what: string, fix: string = look): CountersignError {
  return new CountersignError('forbidden', `${path} ${what}`, { reason: 'data-mode', fix })
}
