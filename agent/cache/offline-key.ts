import { hkdfSync } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, realpath } from 'node:fs/promises'
import { dirname, isAbsolute, relative } from 'node:path'
import { CountersignError } from '../../src/errors.ts'

const keyBytes = 32
const maxFileBytes = 65

/**
 * The key that the sealed cache lies on disk under: derived from 32 bytes, or 64 hex digits, in a file
 * that the operator keeps elsewhere. Throws `invalid` / `config-offline-key` where it cannot be read,
 * is no key, or lies in the data folder; `forbidden` / `data-mode` where others may read it.
 * `credentialsDir` is systemd's `CREDENTIALS_DIRECTORY`, whose files the kernel keeps from others.
 */
export async function readOfflineKey(options: {
  readonly path: string
  readonly dataDir: string
  readonly credentialsDir: string | undefined
}): Promise<Buffer> {
  const { path } = options
  let file: FileHandle
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    throw wrongKey(`cannot read ${path}`, cause)
  }
  try {
    if (await liesIn(path, options.dataDir)) {
      throw wrongKey(`${path} lies in the data folder, beside what it is to seal`)
    }
    await checkMode(file, options)
    const bytes = Buffer.alloc(maxFileBytes + 1)
    const { bytesRead } = await file.read(bytes, 0, bytes.length, 0)
    const key = keyOf(bytes.subarray(0, bytesRead))
    if (key === undefined) throw wrongKey(`${path} holds neither 32 bytes nor 64 hex digits`)
    return Buffer.from(hkdfSync('sha256', key, '', 'countersign agent sealed cache', keyBytes))
  } finally {
    await file.close()
  }
}

function keyOf(bytes: Buffer): Buffer | undefined {
  if (bytes.length === keyBytes) return Buffer.from(bytes)
  const hex = /^([0-9a-fA-F]{64})\n?$/.exec(bytes.toString('latin1'))?.[1]
  return hex === undefined ? undefined : Buffer.from(hex, 'hex')
}

/** Whatever links there are on the way. */
async function liesIn(path: string, folder: string): Promise<boolean> {
  const inside = relative(await realpath(folder), await realpath(path))
  return !inside.startsWith('..') && !isAbsolute(inside)
}

async function checkMode(
  file: FileHandle,
  { path, credentialsDir }: { readonly path: string; readonly credentialsDir: string | undefined },
): Promise<void> {
  const stat = await file.stat()
  if (!stat.isFile()) throw loose(path, 'is not a plain file')
  // systemd lends a credential of root to the service by an ACL, which shows as a mode for the group.
  const lent = credentialsDir !== undefined && dirname(path) === credentialsDir
  if (stat.uid !== process.geteuid?.() && !(stat.uid === 0 && lent)) {
    throw loose(path, 'belongs to another user')
  }
  if ((stat.mode & (lent ? 0o037 : 0o077)) !== 0) {
    throw loose(path, 'can be accessed by others', `chmod 600 ${path}`)
  }
}

function wrongKey(message: string, cause?: unknown): CountersignError {
  return new CountersignError('invalid', `offline_cache_key_file: ${message}`, {
    reason: 'config-offline-key',
    fix: 'make one outside of the data folder: (umask 077; head -c 32 /dev/urandom > FILE)',
    cause,
  })
}

function loose(path: string, what: string, fix?: string): CountersignError {
  return new CountersignError('forbidden', `${path} ${what}`, { reason: 'data-mode', fix })
}
