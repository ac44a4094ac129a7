import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Moment } from './held-svid.ts'
import type { JwtRecord } from './jwt-record.ts'
import { seal, sealRefused, unseal } from './seal.ts'
import { readSnapshot, readTokens, snapshotLines, tokenLines } from './sealed-records.ts'
import type { Snapshot } from './snapshot.ts'

/** Reads and writes files that are ours alone; refuses looser ones. */
export interface PrivateFiles {
  read(path: string, maxBytes: number): Promise<Buffer | undefined>
  write(path: string, bytes: AsyncIterable<Uint8Array> | Uint8Array): Promise<void>
  remove(path: string): Promise<void>
  /** What an earlier process has left of a write that was cut off. */
  removeUnfinished(path: string): Promise<void>
}

/** What a sealed cache is bound to: under another agent or another place in the log it does not open. */
export interface SealedAbout {
  readonly agentId: SpiffeId
  /** When a server was last heard: what nobody has confirmed for too long is not served. */
  readonly lastContact: Date
}

export interface Kept {
  readonly snapshot: Snapshot
  readonly tokens: readonly JwtRecord[]
}

export interface Restored extends SealedAbout, Kept {}

/** What the agent serves from, kept over a restart. */
export interface SealedCache {
  /** Entries, bundles and SVIDs that are the very ones of the time before are not written again. */
  save(about: SealedAbout, kept: Kept): Promise<void>
  /**
   * What was saved; undefined where there is nothing, or what there is may not be used: of another
   * agent, too old, from the future, or changed by anybody. That is removed.
   */
  load(options: {
    readonly agentId: SpiffeId
    readonly maxOfflineMs: number
    readonly at: Moment
    readonly random: () => number
  }): Promise<Restored | undefined>
  erase(): Promise<void>
}

/** What moves on while entries, bundles and SVIDs stay as they are. */
interface Recent {
  readonly position: number
  readonly lastContact: number
}

interface SnapshotHeader extends Recent {
  readonly is: 'snapshot'
  /** Drawn for each: only what was written beside it goes with it. */
  readonly generation: string
  readonly agentId: string
  readonly logId: string
}

interface RecentHeader extends Recent {
  readonly is: 'recent'
  readonly generation: string
}

const keyBytes = 32
const generationBytes = 16
const maxBytes = 512 << 20
/** How far the clock may have been set back since. */
const futureLeewayMs = 60_000

/**
 * A sealed cache in the folder. With `key` (32 bytes, from a credential or a key manager) the folder
 * may be anywhere; without, the key is made beside the files, for which the folder must be one that a
 * reboot forgets.
 *
 * What changes seldom and is large lies in one file; the time of the last contact, which is another
 * every minute, in a small one with the JWT-SVIDs. The small one says of which generation it is and
 * counts for no other, so that a time at which the server confirmed one snapshot lengthens the life of
 * no other. Without it the large one is as old as it says itself.
 */
export async function openSealedCache(options: {
  readonly folder: string
  readonly key?: Buffer
  readonly files: PrivateFiles
}): Promise<SealedCache> {
  const { folder, files } = options
  const snapshotPath = join(folder, 'cache.sealed')
  const recentPath = join(folder, 'cache.recent')
  const keyPath = join(folder, 'cache.key')
  for (const path of [snapshotPath, recentPath, keyPath]) await files.removeUnfinished(path)
  /** What `snapshotPath` holds; undefined where that is not known. */
  let held:
    | { readonly generation: string; readonly about: SpiffeId; readonly snapshot: Snapshot }
    | undefined
  const erase = async (): Promise<void> => {
    held = undefined
    if (options.key === undefined) await files.remove(keyPath)
    await files.remove(snapshotPath)
    await files.remove(recentPath)
  }
  const findKey = async (): Promise<Buffer | undefined> => {
    const key = options.key ?? (await files.read(keyPath, keyBytes))
    return key?.length === keyBytes ? key : undefined
  }
  const needKey = async (): Promise<Buffer> => {
    const found = await findKey()
    if (found !== undefined) return found
    const made = randomBytes(keyBytes)
    await files.write(keyPath, made)
    return made
  }
  const readRecent = async (
    key: Buffer,
    generation: string,
  ): Promise<{ header: RecentHeader; text: string } | undefined> => {
    const sealed = await files.read(recentPath, maxBytes)
    if (sealed === undefined) return undefined
    try {
      const { header, text } = unseal(key, sealed) as { header: RecentHeader; text: string }
      return header.is === 'recent' && header.generation === generation
        ? { header, text }
        : undefined
    } catch {
      return undefined
    }
  }
  return {
    erase,
    async save({ agentId, lastContact }, { snapshot, tokens }) {
      const key = await needKey()
      const recent = { position: snapshot.position, lastContact: lastContact.getTime() }
      if (held === undefined || held.about !== agentId || !sameContent(held.snapshot, snapshot)) {
        held = undefined
        const generation = randomBytes(generationBytes).toString('hex')
        const { logId } = snapshot
        const header: SnapshotHeader = { is: 'snapshot', generation, agentId, logId, ...recent }
        await files.write(snapshotPath, seal(key, header, snapshotLines(snapshot)))
        held = { generation, about: agentId, snapshot }
      }
      const header: RecentHeader = { is: 'recent', generation: held.generation, ...recent }
      await files.write(recentPath, seal(key, header, tokenLines(tokens)))
    },
    async load({ agentId, maxOfflineMs, at, random }) {
      const key = await findKey()
      const sealed = key === undefined ? undefined : await files.read(snapshotPath, maxBytes)
      if (key === undefined || sealed === undefined) return undefined
      try {
        const { header, text } = unseal(key, sealed) as { header: SnapshotHeader; text: string }
        if (header.is !== 'snapshot') throw sealRefused('this is another part of the sealed cache')
        const recent = await readRecent(key, header.generation)
        const { position, lastContact } = recent?.header ?? header
        const ageMs = at.now.getTime() - lastContact
        if (header.agentId !== agentId || ageMs > maxOfflineMs || ageMs < -futureLeewayMs) {
          throw sealRefused('the sealed cache is not for here and now')
        }
        const where = { logId: header.logId, position }
        const snapshot = readSnapshot(text, where, at, random)
        const tokens = readTokens(recent?.text ?? '', snapshot.entries, at, random)
        held = { generation: header.generation, about: agentId, snapshot }
        return { agentId, lastContact: new Date(lastContact), snapshot, tokens }
      } catch {
        await erase()
        return undefined
      }
    },
  }
}

/** A change gives new ones, so that the same ones hold the same. */
function sameContent(a: Snapshot, b: Snapshot): boolean {
  return (
    a.logId === b.logId &&
    a.entries === b.entries &&
    a.bundles === b.bundles &&
    a.svids === b.svids &&
    a.goodFrom === b.goodFrom
  )
}
