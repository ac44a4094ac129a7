import type { Change } from '../store/changes.ts'
import type { Written } from '../store/written.ts'

/** Beyond this many lines that nobody has read yet, all are forgotten, and read from the log instead. */
const maxLines = 50_000

/**
 * The lines of the log that this process has written and not read yet, with their rows. A number is
 * given once, in order and without a gap: a line that is here is the very line that the log has.
 */
export class OwnWrites {
  readonly #byNumber = new Map<number, Written>()

  add(written: readonly Written[]): void {
    if (this.#byNumber.size + written.length > maxLines) this.#byNumber.clear()
    else for (const line of written) this.#byNumber.set(line.number, line)
  }

  /** The lines right after `position`, at most `limit`, up to the first that somebody else wrote. */
  after(position: number, limit: number): Written[] {
    const lines: Written[] = []
    while (lines.length < limit) {
      const line = this.#byNumber.get(position + lines.length + 1)
      if (line === undefined) break
      lines.push(line)
    }
    return lines
  }

  /** The same line as we wrote it, where we did. */
  known(line: Change): Written {
    return this.#byNumber.get(line.number) ?? line
  }

  /** `lines` have been read. */
  forget(lines: readonly Change[]): void {
    for (const { number } of lines) this.#byNumber.delete(number)
  }
}
