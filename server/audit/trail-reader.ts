import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { type ChainHead, claimedLink } from '../../src/audit/chain.ts'
import { numberedFiles, readLines } from '../../src/audit/trail-files.ts'

/** So much is read at a time at most, and one line more: who reads has it in memory, and collectors refuse what is too large. */
const maxReadBytes = 2 << 20

/** A line of the trail as it stands in the file, and what it says of its place. */
export interface TrailLine {
  readonly head: ChainHead
  readonly previous: string
  readonly text: string
}

/** Reads a trail beside the one who writes it, through all its files; goes on where it was. */
export class TrailReader implements AsyncDisposable {
  readonly #path: string
  #file: FileHandle | undefined
  #offset = 0
  /** Number of the last line before `#offset`. */
  #at = 0
  /** At the last look there was no file that is written to: between two files there is none for a moment. */
  #absence: unknown

  constructor(path: string) {
    this.#path = path
  }

  /** At most `limit` lines with numbers after `after` and up to `upTo`, in order; lines that are no lines of a trail are left out. */
  async read(after: number, upTo: number, limit: number): Promise<readonly TrailLine[]> {
    const lines = this.#at === after ? await this.#readOn(after, upTo, limit) : []
    if (lines.length > 0 || after >= upTo) return lines
    // The end of a file that has its number by now, or a new start: the lines are elsewhere.
    const newer = await this.#locate(after)
    const found = await this.#readOn(after, upTo, limit)
    if (found.length > 0 || newer === undefined) {
      await newer?.close()
      return found
    }
    // What should stand between cannot be read: what comes behind that is not held up by it.
    await this[Symbol.asyncDispose]()
    this.#file = newer
    this.#offset = 0
    return this.#readOn(after, upTo, limit)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }

  async #readOn(after: number, upTo: number, limit: number): Promise<readonly TrailLine[]> {
    const found: TrailLine[] = []
    let bytes = 0
    if (this.#file === undefined) return found
    for await (const lines of readLines(this.#file, this.#offset)) {
      for (const { text, end } of lines) {
        const link = claimedLink(text)
        // Further lines are not known to be on disk yet.
        if (link !== undefined && link.head.number > upTo) return found
        this.#offset = end
        if (link === undefined || link.head.number <= after) continue
        this.#at = link.head.number
        found.push({ ...link, text })
        bytes += text.length
        if (found.length === limit || bytes >= maxReadBytes) return found
      }
    }
    return found
  }

  /**
   * Opens the newest file that begins no later than with the line after `after`, else the oldest there is; resolves with the
   * next one behind it, where there is one. Throws `ENOENT` where the file that is written to was not there at the look
   * before either.
   */
  async #locate(after: number): Promise<FileHandle | undefined> {
    const before = this.#absence
    let full: readonly string[] = []
    let newer: FileHandle | undefined
    do {
      await newer?.close()
      full = await this.#fullFiles()
      newer = await this.#openNewest([...full, this.#path].reverse(), after)
      // What has got its number meanwhile is under neither name of those.
    } while ((await this.#fullFiles()).at(-1) !== full.at(-1))
    if (before !== undefined && this.#absence !== undefined) {
      await newer?.close()
      throw this.#absence
    }
    this.#offset = this.#file === undefined ? 0 : await offsetAfter(this.#file, after)
    this.#at = after
    return newer
  }

  /** Opens the first that begins early enough, else the last that there is; resolves with the one before it. */
  async #openNewest(paths: readonly string[], after: number): Promise<FileHandle | undefined> {
    await this[Symbol.asyncDispose]()
    this.#absence = undefined
    let newer: FileHandle | undefined
    for (const path of paths) {
      const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW).catch((error) => {
        if (path !== this.#path || error.code !== 'ENOENT') throw error
        this.#absence = error
        return undefined
      })
      const first = file && (await firstNumber(file))
      if (first === undefined) {
        await file?.close()
        continue
      }
      await newer?.close()
      newer = this.#file
      this.#file = file
      if (first <= after + 1) break
    }
    return newer
  }

  async #fullFiles(): Promise<readonly string[]> {
    return (await numberedFiles(this.#path)).map(({ path }) => path)
  }
}

/** From here a file is read through rather than halved again. */
const readThroughBytes = 256 << 10

/** A place not far before the line that follows line `number`, by halving: the numbers of lines rise. */
async function offsetAfter(file: FileHandle, number: number): Promise<number> {
  let low = 0
  let high = (await file.stat()).size
  while (high - low > readThroughBytes) {
    const middle = low + Math.floor((high - low) / 2)
    const line = await numberedLineIn(file, middle)
    if (line !== undefined && line.number <= number) low = line.end
    else high = middle
  }
  return low
}

/** The first line with a number among the next ones that begin after `offset`. */
async function numberedLineIn(
  file: FileHandle,
  offset: number,
): Promise<{ readonly number: number; readonly end: number } | undefined> {
  for await (const [, ...whole] of readLines(file, offset)) {
    for (const { text, end } of whole) {
      const number = claimedLink(text)?.head.number
      if (number !== undefined) return { number, end }
    }
    return undefined
  }
  return undefined
}

/** Of the first line that has one: what somebody, or the disk, has changed before it hides none behind it. */
async function firstNumber(file: FileHandle): Promise<number | undefined> {
  for await (const lines of readLines(file, 0)) {
    for (const { text } of lines) {
      const number = claimedLink(text)?.head.number
      if (number !== undefined) return number
    }
  }
  return undefined
}
