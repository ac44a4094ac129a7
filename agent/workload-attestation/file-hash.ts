import { createHash, type Hash } from 'node:crypto'
import { type BigIntStats, statSync } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { CountersignError } from '../../src/errors.ts'
import { untilAborted } from '../../src/runtime/until-aborted.ts'
import type { FileIdentity } from './attestor.ts'
import { ReadingTurns } from './reading-turns.ts'

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
/** Some ten milliseconds of work. */
const sliceBytes = 1 << 24
const maxResting = 256

/** How far a file has been read. */
interface Reading {
  readonly sum: Hash
  at: number
}

interface Job {
  readonly digest: Promise<string>
  /** How many wait for it. */
  waiting: number
}

/**
 * Hashes of executables, remembered by device, inode, size and both times: a changed file is read
 * anew. One file is read once however many ask, on libuv's pool, a bounded number at a time and in
 * turn by user, so that nobody's large programs keep others waiting. A reading that nobody waits for any
 * more rests, and goes on from there for whoever asks next.
 */
export function fileHashes(options: FileHashesOptions = {}): FileHashes {
  const remembered = new Map<string, string>()
  const maxRemembered = options.maxRemembered ?? 4096
  const resting = new Map<string, Reading>()
  const running = new Map<string, Job>()
  const turns = new ReadingTurns(options.concurrency ?? 2)
  let reads = 0

  const restUnlessWanted = (shared: string, reading: Reading): void => {
    if (running.get(shared)?.waiting !== 0) return
    running.delete(shared)
    put(resting, shared, reading, maxResting)
    throw new CountersignError('cancelled', 'nobody waits for the hash any more', {
      reason: 'hash-abandoned',
    })
  }

  // Nothing is opened while it waits: those who wait must not use up the descriptors.
  const read = async (path: string, key: string, shared: string): Promise<string> => {
    const reading = resting.get(shared) ?? { sum: createHash('sha256'), at: 0 }
    resting.delete(shared)
    restUnlessWanted(shared, reading)
    const handle = await open(path, 'r')
    try {
      if (keyOf(await handle.stat({ bigint: true })) !== key) throw changedFile()
      while (!(await turns.slice(() => readSlice(handle, reading)))) {
        restUnlessWanted(shared, reading)
      }
      if (keyOf(await handle.stat({ bigint: true })) !== key) throw changedFile()
    } finally {
      await handle.close()
    }
    reads += 1
    const digest = reading.sum.digest('hex')
    put(remembered, key, digest, maxRemembered)
    return digest
  }

  const jobFor = (path: string, key: string, uid: number): Job => {
    // Shared by one user's callers only: nobody waits behind the other files of another user.
    const shared = `${uid} ${key}`
    const before = running.get(shared)
    if (before !== undefined) return before
    const digest = turns.afterOwn(uid, () => read(path, key, shared))
    const job: Job = { digest, waiting: 0 }
    running.set(shared, job)
    const end = (): void => {
      if (running.get(shared) === job) running.delete(shared)
    }
    digest.then(end, end)
    return job
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
        put(remembered, key, known, maxRemembered)
        return known
      }
      const job = jobFor(path, key, uid)
      job.waiting += 1
      try {
        return await untilAborted(job.digest, signal)
      } finally {
        job.waiting -= 1
      }
    },
  }
}

/** As the one used last; the one that was not used for longest makes room. */
function put<V>(map: Map<string, V>, key: string, value: V, most: number): void {
  map.delete(key)
  map.set(key, value)
  if (map.size <= most) return
  const oldest = map.keys().next()
  if (!oldest.done) map.delete(oldest.value)
}

/** True once the file has been read to its end. */
async function readSlice(handle: FileHandle, reading: Reading): Promise<boolean> {
  const buffer = Buffer.allocUnsafe(chunkBytes)
  for (let left = sliceBytes; left > 0; left -= chunkBytes) {
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, reading.at)
    if (bytesRead === 0) return true
    reading.sum.update(buffer.subarray(0, bytesRead))
    reading.at += bytesRead
  }
  return false
}

function keyOf(stats: BigIntStats): string {
  return `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`
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
