import { createHash } from 'node:crypto'
import { type BigIntStats, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { CountersignError } from '../../src/errors.ts'
import type { FileIdentity } from './attestor.ts'

export interface FileHashesOptions {
  /** Larger files are refused; 0 stands for no limit. */
  readonly maxFileBytes?: number
  /** How many hashes are remembered. */
  readonly maxRemembered?: number
  /** How many files are read at one time; each user has one of them at most. */
  readonly concurrency?: number
}

export interface FileHashes {
  /** SHA-256 in lower hex of the file that `path` names, which must be `expected`. */
  sha256(path: string, expected: FileIdentity, uid: number, signal: AbortSignal): Promise<string>
  /** How many files were read to their end. */
  readonly reads: number
}

const chunkBytes = 1 << 18

/**
 * Hashes of executables, remembered by device, inode, size and both times: a changed file is read
 * anew. One file is read once however many ask, on libuv's pool, a bounded number at a time and in
 * turn by user, so that nobody's large programs keep others waiting.
 */
export function fileHashes(options: FileHashesOptions = {}): FileHashes {
  const maxRemembered = options.maxRemembered ?? 4096
  const remembered = new Map<string, string>()
  const running = new Map<string, Promise<string>>()
  const lanes = userLanes(options.concurrency ?? 2)
  let reads = 0

  const remember = (key: string, digest: string): void => {
    remembered.delete(key)
    remembered.set(key, digest)
    if (remembered.size <= maxRemembered) return
    const oldest = remembered.keys().next()
    if (!oldest.done) remembered.delete(oldest.value)
  }

  const read = async (path: string, key: string, uid: number): Promise<string> => {
    // Nothing is opened while it waits: those who wait must not use up the descriptors.
    const leave = await lanes.enter(uid)
    try {
      const digest = await digestOf(path, key)
      reads += 1
      remember(key, digest)
      return digest
    } finally {
      leave()
    }
  }

  return {
    get reads() {
      return reads
    },
    async sha256(path, expected, uid, signal) {
      const stats = statSync(path, { bigint: true })
      if (stats.dev !== expected.device || stats.ino !== expected.inode) throw changedFile()
      const limit = options.maxFileBytes ?? 0
      if (limit > 0 && stats.size > BigInt(limit)) throw tooLarge()
      const key = keyOf(stats)
      const known = remembered.get(key)
      if (known !== undefined) {
        remember(key, known)
        return known
      }
      // Shared by one user's callers only: nobody waits behind the other files of another user.
      const shared = `${uid} ${key}`
      let job = running.get(shared)
      if (job === undefined) {
        job = read(path, key, uid).finally(() => running.delete(shared))
        running.set(shared, job)
      }
      return await untilAborted(job, signal)
    },
  }
}

async function digestOf(path: string, key: string): Promise<string> {
  const handle = await open(path, 'r')
  try {
    if (keyOf(await handle.stat({ bigint: true })) !== key) throw changedFile()
    const sum = createHash('sha256')
    const buffer = Buffer.allocUnsafe(chunkBytes)
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length)
      if (bytesRead === 0) break
      sum.update(buffer.subarray(0, bytesRead))
    }
    if (keyOf(await handle.stat({ bigint: true })) !== key) throw changedFile()
    return sum.digest('hex')
  } finally {
    await handle.close()
  }
}

function keyOf(stats: BigIntStats): string {
  return `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
}

/** The reading goes on for those who still wait, and for the memory. */
function untilAborted<T>(job: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    job.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}

/** At most `width` at a time, one a user, in turn. */
function userLanes(width: number): { enter(uid: number): Promise<() => void> } {
  const active = new Set<number>()
  const waiting = new Map<number, (() => void)[]>()
  const next = (): void => {
    for (const [uid, queue] of waiting) {
      if (active.size >= width) return
      if (active.has(uid)) continue
      active.add(uid)
      const enter = queue.shift()
      waiting.delete(uid)
      if (queue.length > 0) waiting.set(uid, queue)
      enter?.()
    }
  }
  return {
    async enter(uid) {
      await new Promise<void>((resolve) => {
        const queue = waiting.get(uid)
        if (queue === undefined) waiting.set(uid, [resolve])
        else queue.push(resolve)
        next()
      })
      return () => {
        active.delete(uid)
        next()
      }
    },
  }
}

function changedFile(): CountersignError {
  return new CountersignError('unavailable', 'the executable changed while it was read', {
    reason: 'executable-changed',
  })
}

function tooLarge(): CountersignError {
  return new CountersignError('unavailable', 'the executable is larger than the configured limit', {
    reason: 'executable-too-large',
  })
}
