import { constants } from 'node:fs'
import { type FileHandle, open, readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

/** `<path>.000001`, `<path>.000002`, …: the full files of a trail, oldest first; `<path>` comes after them. */
export async function numberedFiles(
  path: string,
): Promise<readonly { readonly path: string; readonly number: number }[]> {
  const prefix = `${basename(path)}.`
  const names = await readdir(dirname(path))
  return names
    .filter((name) => name.startsWith(prefix) && /^\d{6,9}$/.test(name.slice(prefix.length)))
    .map((name) => ({ path: join(dirname(path), name), number: Number(name.slice(prefix.length)) }))
    .sort((a, b) => a.number - b.number)
}

/** A file of a trail that is open until the next one is asked for. */
export interface OpenFile {
  readonly path: string
  readonly handle: FileHandle
  /** It is the one that is written to, and may end in a part of a line. */
  readonly isLast: boolean
}

/**
 * The files of a trail with a number above `after`, oldest first, and the one that is written to. Where that gets its number
 * while the others are read, it comes in its place, and the new one behind it. Throws what the file system throws.
 */
export async function* openFiles(path: string, after = 0): AsyncGenerator<OpenFile> {
  let last = after
  const newer = async () => (await numberedFiles(path)).filter(({ number }) => number > last)
  for (;;) {
    for (const full of await newer()) {
      const handle = await open(full.path, constants.O_RDONLY)
      try {
        yield { path: full.path, handle, isLast: false }
      } finally {
        await handle.close()
      }
      last = full.number
    }
    const handle = await open(path, constants.O_RDONLY).catch(async (error: unknown) => {
      // It has its number, and the new one is not made yet.
      if ((await newer()).length === 0) throw error
    })
    if (handle === undefined) continue
    try {
      if ((await newer()).length > 0) continue
      yield { path, handle, isLast: true }
      return
    } finally {
      await handle.close()
    }
  }
}

/** A line without its newline, and the offset after that. */
export interface FileLine {
  readonly text: string
  readonly end: number
}

const readBytes = 256 << 10
/** No line of a trail is longer: more without a newline is not a trail. */
export const maxLineBytes: number = 1 << 20

/**
 * The whole lines of a file from `offset` on, some at a time; what stands after the last newline is
 * left out. Ends early at a line of more than 1 MiB.
 */
export async function* readLines(
  file: FileHandle,
  offset: number,
): AsyncGenerator<readonly FileLine[]> {
  let at = offset
  let size = readBytes
  for (;;) {
    const bytes = Buffer.allocUnsafe(size)
    const { bytesRead } = await file.read(bytes, 0, size, at)
    const lines: FileLine[] = []
    let start = 0
    for (;;) {
      const end = bytes.subarray(0, bytesRead).indexOf(0x0a, start)
      if (end < 0) break
      lines.push({ text: bytes.toString('utf8', start, end), end: at + end + 1 })
      start = end + 1
    }
    if (lines.length > 0) {
      at += start
      size = readBytes
      yield lines
    } else if (bytesRead === size && size < maxLineBytes) size *= 2
    else return
  }
}
