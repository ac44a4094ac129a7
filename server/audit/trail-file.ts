import { constants } from 'node:fs'
import { type FileHandle, open, rename, rm } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { type ChainHead, chainStart, readLink } from '../../src/audit/chain.ts'
import { numberedFiles } from '../../src/audit/trail-files.ts'
import { CountersignError } from '../../src/errors.ts'
import { syncFolder } from '../../src/runtime/sync-folder.ts'

/** The end of a file that is searched for its last whole line; a group of appends is never larger. */
export const maxGroupBytes: number = 4 << 20

/** A write that has returned is on disk: as `fdatasync` after it, in one way to a thread and back instead of two. */
const appending = constants.O_RDWR | constants.O_CREAT | constants.O_APPEND | constants.O_DSYNC

/** A trail's file, open for appending, and where its chain stands. */
export interface OpenTrailFile {
  readonly handle: FileHandle
  readonly head: ChainHead
  /** Bytes up to the end of the last whole line. */
  readonly size: number
  /** What stood after the last whole line and was moved out of the way. */
  readonly cut: { readonly bytes: number; readonly keptAs: string } | undefined
}

/**
 * Opens the file, making it 0600 where it is absent. Bytes after the last whole line, which a crash
 * leaves, are moved to a file of their own: they may be evidence. Throws `invalid` with
 * `audit-file-loose`, `audit-file-owner` or `audit-file-kind`, and `conflict` `audit-file-broken`
 * where no whole line is found at the end.
 */
export async function openTrailFile(path: string): Promise<OpenTrailFile> {
  const handle = await open(path, appending | constants.O_NOFOLLOW, 0o600)
  try {
    await checkFile(handle, path)
    // What another process wrote may be in the cache only, and must not be lost before what follows it.
    await handle.sync()
    const end = await findEnd(handle, path)
    if (end.torn.length === 0) return { handle, head: end.head, size: end.size, cut: undefined }
    const keptAs = await keepTorn(path, end.torn)
    await handle.truncate(end.size)
    await handle.sync()
    return {
      handle,
      head: end.head,
      size: end.size,
      cut: { bytes: end.torn.length, keptAs: basename(keptAs) },
    }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** Throws `invalid`: `audit-file-kind`, `audit-file-owner`, `audit-file-loose`. */
export async function checkFile(handle: FileHandle, path: string): Promise<void> {
  const stat = await handle.stat()
  if (!stat.isFile()) {
    throw new CountersignError('invalid', `the audit trail ${path} is not a file`, {
      reason: 'audit-file-kind',
      fix: 'name a file of its own: audit_file',
    })
  }
  if (stat.uid !== process.getuid?.()) {
    throw new CountersignError('invalid', `the audit trail ${path} belongs to another user`, {
      reason: 'audit-file-owner',
      fix: `chown ${process.getuid?.()} ${path}`,
    })
  }
  if ((stat.mode & 0o077) !== 0) {
    throw new CountersignError('invalid', `the audit trail ${path} is open to other users`, {
      reason: 'audit-file-loose',
      fix: `chmod 600 ${path}`,
    })
  }
}

async function findEnd(
  handle: FileHandle,
  path: string,
): Promise<{ head: ChainHead; size: number; torn: Buffer }> {
  const { size } = await handle.stat()
  const from = Math.max(0, size - 2 * maxGroupBytes)
  const tail = await readRange(handle, from, size)
  let end = tail.lastIndexOf(0x0a)
  while (end >= 0) {
    const start = end === 0 ? 0 : tail.lastIndexOf(0x0a, end - 1) + 1
    const link = readLink(tail.toString('utf8', start, end))
    if (link !== undefined) {
      return { head: link.head, size: from + end + 1, torn: tail.subarray(end + 1) }
    }
    end = start - 1
  }
  if (from > 0) {
    throw new CountersignError('conflict', `the audit trail ${path} has no whole line at its end`, {
      reason: 'audit-file-broken',
      fix: `keep ${path} as evidence under another name; a new one is begun at the next start`,
    })
  }
  return { head: await headOfLastNumbered(path), size: 0, torn: tail }
}

async function readRange(handle: FileHandle, from: number, to: number): Promise<Buffer> {
  const bytes = Buffer.alloc(to - from)
  let filled = 0
  while (filled < bytes.length) {
    const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, from + filled)
    if (bytesRead === 0) return bytes.subarray(0, filled)
    filled += bytesRead
  }
  return bytes
}

/** A new file goes on with the chain of the numbered file before it. */
async function headOfLastNumbered(path: string): Promise<ChainHead> {
  const last = (await numberedFiles(path)).at(-1)
  if (last === undefined) return chainStart
  const handle = await open(last.path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    await checkFile(handle, last.path)
    const { size } = await handle.stat()
    const tail = await readRange(handle, Math.max(0, size - maxGroupBytes), size)
    const end = tail.lastIndexOf(0x0a)
    const start = end <= 0 ? 0 : tail.lastIndexOf(0x0a, end - 1) + 1
    const link = readLink(tail.toString('utf8', start, Math.max(end, 0)))
    if (link !== undefined) return link.head
  } finally {
    await handle.close()
  }
  throw new CountersignError(
    'conflict',
    `the audit trail ${last.path} does not end in a whole line`,
    {
      reason: 'audit-file-broken',
      fix: `keep ${last.path} as evidence in another folder; a new chain is begun at the next start`,
    },
  )
}

/** Gives the full file its number and opens a new one; the chain goes on in it. */
export async function rotateTrailFile(path: string, full: FileHandle): Promise<FileHandle> {
  const number = ((await numberedFiles(path)).at(-1)?.number ?? 0) + 1
  await rename(path, `${path}.${String(number).padStart(6, '0')}`)
  const handle = await open(path, appending | constants.O_EXCL, 0o600)
  await syncFolder(dirname(path))
  await full.close()
  return handle
}

async function keepTorn(path: string, torn: Buffer): Promise<string> {
  for (let number = 1; ; number += 1) {
    const keptAs = `${path}.torn-${number}`
    try {
      const handle = await open(
        keptAs,
        constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
        0o600,
      )
      try {
        await handle.writeFile(torn)
        await handle.sync()
      } catch (error) {
        // The disk is full: each further start would leave another part of it.
        await rm(keptAs)
        throw error
      } finally {
        await handle.close()
      }
      await syncFolder(dirname(path))
      return keptAs
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    }
  }
}
