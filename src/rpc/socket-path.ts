import { lstatSync, mkdirSync, readlinkSync, type Stats, statSync } from 'node:fs'
import { isAbsolute, join, normalize, resolve } from 'node:path'
import { isMainThread } from 'node:worker_threads'
import { CountersignError } from '../errors.ts'

/** sun_path holds 108 bytes, one of them the closing zero. What is longer would be cut without a word. */
const MAX_PATH_BYTES = 107
const MAX_LINKS = 40
const STICKY = 0o1000
const WRITABLE_BY_OTHERS = 0o022
const PASSABLE_BY_OTHERS = 0o001

/** The path in its normal form. Throws `invalid` (`socket-path-…`). */
export function checkedPath(path: string): string {
  if (!isAbsolute(path) || path.includes('\0')) {
    throw new CountersignError(
      'invalid',
      `the socket path ${JSON.stringify(path)} is not absolute`,
      {
        reason: 'socket-path-relative',
      },
    )
  }
  const normal = normalize(path)
  if (normal.endsWith('/')) {
    throw new CountersignError('invalid', `the socket path ${path} names a folder`, {
      reason: 'socket-path-folder',
    })
  }
  checkLength(normal)
  return normal
}

/** Throws `invalid` (`socket-path-too-long`). */
export function checkLength(path: string): void {
  const bytes = Buffer.byteLength(path)
  if (bytes <= MAX_PATH_BYTES) return
  throw new CountersignError(
    'invalid',
    `the socket path ${path} has ${bytes} bytes; the kernel takes ${MAX_PATH_BYTES}`,
    { reason: 'socket-path-too-long', fix: 'choose a shorter folder, for example under /run' },
  )
}

/** Makes the folder where there is none; one that is there is left as it is. */
export function makeFolder(folder: string, mode: number): void {
  if (lstatIfThere(folder) !== undefined) return
  checkFolders(folder, 'new-folder')
  const before = isMainThread ? process.umask(0) : undefined
  try {
    mkdirSync(folder, { mode })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw cannotMake(folder, error)
  } finally {
    if (before !== undefined) process.umask(before)
  }
}

/** The first folder on the way to `path` that other users may not pass; undefined where each may be. */
export function closedFolder(path: string): string | undefined {
  const names = path.split('/').slice(1, -1)
  return names
    .map((_, at) => `/${names.slice(0, at + 1).join('/')}`)
    .find((folder) => (statSync(folder).mode & PASSABLE_BY_OTHERS) === 0)
}

/**
 * Every folder that leads to `path` must be one in which nobody but us and root can rename, remove or
 * add a name. A sticky folder of root's (/tmp) will do where the next folder is ours, since there
 * others cannot touch it; not as the socket's own folder, where anyone could take the name before us.
 */
export function checkFolders(path: string, purpose: 'socket' | 'new-folder' = 'socket'): void {
  const names = path.split('/').filter((name) => name !== '')
  let folder = '/'
  let links = 0
  for (;;) {
    const name = names.shift()
    if (name === undefined) return
    const last = names.length === 0
    const next = join(folder, name)
    const found = lstatIfThere(next)
    checkFolder(folder, found, last ? purpose : 'way')
    if (last) return
    if (found === undefined) throw missing(next, path)
    if (found.isSymbolicLink()) {
      links += 1
      if (links > MAX_LINKS) throw refused('socket-folder-links', `${path} has too many links`)
      if (!isTrusted(found.uid)) throw foreign(next)
      // Walk the link's target from the top: the folders that lead there count as well.
      const target = resolve(folder, readlinkSync(next))
      names.unshift(...target.split('/').filter((part) => part !== ''))
      folder = '/'
    } else if (found.isDirectory()) {
      folder = next
    } else {
      throw refused('socket-folder-missing', `${next} is not a folder`)
    }
  }
}

/** `purpose` is what the name in this folder is for: one on the way, the socket, or a folder to be made. */
function checkFolder(
  folder: string,
  next: Stats | undefined,
  purpose: 'way' | 'socket' | 'new-folder',
): void {
  const stats = lstatSync(folder)
  if (!isTrusted(stats.uid)) throw foreign(folder)
  if ((stats.mode & WRITABLE_BY_OTHERS) === 0) return
  if ((stats.mode & STICKY) === 0 || stats.uid !== 0) {
    throw refused(
      'socket-folder-writable',
      `${folder} can be written by others`,
      `chmod go-w ${folder}`,
    )
  }
  if (purpose === 'socket') {
    throw refused(
      'socket-folder-sticky',
      `${folder} is open to everyone`,
      'give the socket a folder of its own there, mode 0755 or 0700',
    )
  }
  if (next !== undefined && (next.uid !== ownUid() || !next.isDirectory())) {
    throw refused(
      'socket-folder-foreign',
      `${folder} is open to everyone and the next folder is not ours`,
    )
  }
}

export function lstatIfThere(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    throw cannotUse(path, error)
  }
}

export function ownUid(): number {
  return process.geteuid?.() ?? 0
}

function isTrusted(uid: number): boolean {
  return uid === 0 || uid === ownUid()
}

/** What stands there is somebody's: nothing of it is touched, and the operator is to look at it. */
const LOOK = 'see who made it and why; then remove it, or give the socket another path'

export function refused(reason: string, message: string, fix: string = LOOK): CountersignError {
  return new CountersignError('forbidden', message, { reason, fix })
}

function foreign(path: string): CountersignError {
  return refused('socket-folder-foreign', `${path} belongs to another user`)
}

/** The path may be told by an environment that is not of today: so it is named whole. */
function missing(folder: string, path: string): CountersignError {
  return new CountersignError('invalid', `the folder ${folder} of ${path} does not exist`, {
    reason: 'socket-folder-missing',
    fix: `mkdir -m 0755 ${folder}; or see whether configuration and environment are to name this path`,
  })
}

function cannotMake(folder: string, cause: unknown): CountersignError {
  return new CountersignError('unavailable', `cannot make the folder ${folder}`, {
    reason: 'socket-unusable',
    fix: `make it as root: install -d -m 0755 -o ${ownUid()} ${folder}`,
    cause,
  })
}

export function cannotUse(path: string, cause: unknown): CountersignError {
  const code = (cause as NodeJS.ErrnoException).code ?? 'unknown'
  return new CountersignError('unavailable', `cannot listen on ${path}: ${code}`, {
    reason: 'socket-unusable',
    fix: 'see that this user may write its folder, and that it is on a disk that holds sockets',
    cause,
  })
}
