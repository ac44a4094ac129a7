import { readFileSync, statSync } from 'node:fs'
import type { Clock } from '../../src/runtime/clock.ts'

/** Names by number, from a file in the manner of /etc/passwd and /etc/group. */
export interface AccountNames {
  /** undefined where the file has no such number: that is no error, many containers' users have no name. */
  nameOf(id: number): string | undefined
  /** Grows each time the file was read anew. */
  readonly version: number
}

const maxFileBytes = 16 << 20
/** A moment, in which many callers may come. */
const freshMs = 10

/** Reads the file when it has changed since `refresh` looked at it last; it looks once in 10 ms. */
export function accountNames(path: string, clock: Clock): AccountNames & { refresh(): void } {
  let names = new Map<number, string>()
  let seen = ''
  let version = 0
  let lookedAtMs = Number.NEGATIVE_INFINITY
  return {
    nameOf: (id) => names.get(id),
    get version() {
      return version
    },
    refresh() {
      const nowMs = clock.monotonicMs()
      if (nowMs - lookedAtMs < freshMs) return
      lookedAtMs = nowMs
      const stats = statSync(path, { bigint: true, throwIfNoEntry: false })
      const now =
        stats === undefined
          ? ''
          : `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
      if (now === seen) return
      names =
        stats === undefined || stats.size > maxFileBytes
          ? new Map()
          : parse(readFileSync(path, 'utf8'))
      seen = now
      version += 1
    },
  }
}

/** `name:password:id:…` a line. Of two names for one number the first counts, as getpwuid(3) has it. */
function parse(text: string): Map<number, string> {
  const names = new Map<number, string>()
  for (const line of text.split('\n')) {
    const [name, , number] = line.split(':', 3)
    if (!name || name.startsWith('#') || !number || !/^\d{1,10}$/.test(number)) continue
    const id = Number(number)
    if (!names.has(id)) names.set(id, name)
  }
  return names
}
