import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, open, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { CountersignError } from '../../src/errors.ts'
import { makePrivateFolder } from '../../src/runtime/private-folder.ts'
import { syncFolder } from '../../src/runtime/sync-folder.ts'

const prefix = 'countersign-wrapping-key-v1 '
const keyLength = 32

/**
 * The 32 bytes in a wrapping key's file: one line, base64url after a prefix. Made where it is absent and nothing was
 * `written` under it yet, 0600 and synced before it is used. Throws `invalid`: `wrapping-key-loose` (open to other
 * users), `wrapping-key-owner`, `wrapping-key-kind`, `wrapping-key-format`, `wrapping-key-missing` or
 * `wrapping-key-unwritable`.
 */
export async function readWrappingKey(path: string, written = false): Promise<Buffer> {
  const found = await tryOpen(path)
  if (found !== undefined) return readFrom(found, path)
  if (written) {
    throw fault(
      'missing',
      `there is no wrapping key ${path}, and data that was written under it`,
      'restore it from a backup: without it the data cannot be used',
    )
  }
  await makeKey(path).catch((error: unknown) => {
    throw fault(
      'unwritable',
      `the wrapping key ${path} cannot be made`,
      'look at the space, the owner and the mode of its folder',
      error,
    )
  })
  const made = await tryOpen(path)
  if (made === undefined) throw fault('kind', `the wrapping key ${path} went away`)
  return readFrom(made, path)
}

async function tryOpen(path: string): Promise<FileHandle | undefined> {
  try {
    // Neither a link into somebody else's folder nor a pipe that never answers.
    return await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return undefined
    if (code === 'ELOOP') throw fault('kind', `the wrapping key ${path} is a symbolic link`)
    throw fault('kind', `the wrapping key ${path} cannot be read`, undefined, error)
  }
}

async function readFrom(handle: FileHandle, path: string): Promise<Buffer> {
  try {
    const stat = await handle.stat()
    if (!stat.isFile()) throw fault('kind', `the wrapping key ${path} is not a file`)
    if (stat.uid !== process.getuid?.()) {
      throw fault(
        'owner',
        `the wrapping key ${path} belongs to another user`,
        `chown ${process.getuid?.()} ${path}`,
      )
    }
    if ((stat.mode & 0o077) !== 0) {
      throw fault('loose', `the wrapping key ${path} is open to other users`, `chmod 600 ${path}`)
    }
    return parse(stat.size <= 256 ? await handle.readFile('latin1') : '', path)
  } finally {
    await handle.close()
  }
}

function parse(text: string, path: string): Buffer {
  const line = text.endsWith('\n') ? text.slice(0, -1) : text
  const encoded = line.startsWith(prefix) ? line.slice(prefix.length) : ''
  const key = Buffer.from(encoded, 'base64url')
  if (key.length !== keyLength || key.toString('base64url') !== encoded) {
    throw fault(
      'format',
      `${path} does not hold a wrapping key`,
      'restore it from a backup; a new key does not open what the old one sealed',
    )
  }
  return key
}

/** Written beside it and then linked, so that nobody ever reads half a key, and one of two makers wins. */
async function makeKey(path: string): Promise<void> {
  const folder = dirname(path)
  makePrivateFolder(folder)
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  const handle = await open(draft, 'wx', 0o600)
  try {
    await handle.writeFile(`${prefix}${randomBytes(keyLength).toString('base64url')}\n`)
    await handle.sync()
  } finally {
    await handle.close()
  }
  try {
    await link(draft, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(draft)
  }
  await syncFolder(folder)
}

function fault(
  word: 'loose' | 'owner' | 'kind' | 'format' | 'missing' | 'unwritable',
  message: string,
  fix?: string,
  cause?: unknown,
): CountersignError {
  return new CountersignError('invalid', message, { reason: `wrapping-key-${word}`, fix, cause })
}
