import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { CountersignError } from '../../src/errors.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Moment } from './held-svid.ts'
import { type Kept, keptLines, readKept } from './sealed-records.ts'

/** Reads and writes files that are ours alone; refuses looser ones. */
export interface PrivateFiles {
  read(path: string, maxBytes: number): Promise<Buffer | undefined>
  write(path: string, bytes: Uint8Array): Promise<void>
  remove(path: string): Promise<void>
}

/** What a sealed cache is bound to: under another agent or another place in the log it does not open. */
export interface SealedAbout {
  readonly agentId: SpiffeId
  /** When a server was last heard: what nobody has confirmed for too long is not served. */
  readonly lastContact: Date
}

export interface Restored extends SealedAbout, Kept {}

/** What the agent serves from, kept over a restart. */
export interface SealedCache {
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

interface Header {
  readonly agentId: string
  readonly logId: string
  readonly position: number
  readonly lastContact: number
}

const magic = Buffer.from('countersign-sealed-cache-2\n')
const nonceBytes = 12
const tagBytes = 16
const keyBytes = 32
const maxBytes = 512 << 20
const maxHeaderBytes = 8192
/** How much is encrypted before others get a turn. */
const sliceCharacters = 256 << 10
/** How far the clock may have been set back since. */
const futureLeewayMs = 60_000

/**
 * A sealed cache in the folder. With `key` (32 bytes, from a credential or a key manager) the folder
 * may be anywhere; without, the key is made beside the file, for which the folder must be one that a
 * reboot forgets.
 */
export function openSealedCache(options: {
  readonly folder: string
  readonly key?: Buffer
  readonly files: PrivateFiles
}): SealedCache {
  const { folder, files } = options
  const path = join(folder, 'cache.sealed')
  const keyPath = join(folder, 'cache.key')
  const erase = async (): Promise<void> => {
    if (options.key === undefined) await files.remove(keyPath)
    await files.remove(path)
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
  return {
    erase,
    async save(about, kept) {
      const header: Header = {
        agentId: about.agentId,
        logId: kept.snapshot.logId,
        position: kept.snapshot.position,
        lastContact: about.lastContact.getTime(),
      }
      await files.write(path, await seal(await needKey(), header, keptLines(kept)))
    },
    async load({ agentId, maxOfflineMs, at, random }) {
      const key = await findKey()
      const sealed = key === undefined ? undefined : await files.read(path, maxBytes)
      if (key === undefined || sealed === undefined) return undefined
      try {
        const { header, text } = unseal(key, sealed)
        const ageMs = at.now.getTime() - header.lastContact
        if (header.agentId !== agentId || ageMs > maxOfflineMs || ageMs < -futureLeewayMs) {
          throw refused('the sealed cache is not for here and now')
        }
        const kept = readKept(text, header, at, random)
        return { agentId, lastContact: new Date(header.lastContact), ...kept }
      } catch {
        await erase()
        return undefined
      }
    },
  }
}

function headerBytes(header: Header): Buffer {
  const json = Buffer.from(JSON.stringify(header))
  const length = Buffer.alloc(4)
  length.writeUInt32BE(json.length)
  return Buffer.concat([magic, length, json])
}

async function seal(key: Buffer, header: Header, lines: Iterable<string>): Promise<Buffer> {
  const head = headerBytes(header)
  const nonce = randomBytes(nonceBytes)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  cipher.setAAD(head)
  const parts: Buffer[] = [head, nonce]
  let slice = ''
  for (const line of lines) {
    slice += line
    if (slice.length < sliceCharacters) continue
    parts.push(cipher.update(slice, 'utf8'))
    slice = ''
    await turn()
  }
  parts.push(cipher.update(slice, 'utf8'), cipher.final(), cipher.getAuthTag())
  return Buffer.concat(parts)
}

/** Throws for anything that this key did not seal. */
function unseal(key: Buffer, sealed: Buffer): { header: Header; text: string } {
  const lengthAt = magic.length
  if (sealed.length < lengthAt + 4 || !sealed.subarray(0, lengthAt).equals(magic)) {
    throw refused('this is no sealed cache')
  }
  const headerLength = sealed.readUInt32BE(lengthAt)
  const headEnd = lengthAt + 4 + headerLength
  const bodyAt = headEnd + nonceBytes
  if (headerLength > maxHeaderBytes || sealed.length < bodyAt + tagBytes) {
    throw refused('the sealed cache is cut off')
  }
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(headEnd, bodyAt), {
    authTagLength: tagBytes,
  })
  decipher.setAAD(sealed.subarray(0, headEnd))
  decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes))
  const body = decipher.update(sealed.subarray(bodyAt, sealed.length - tagBytes))
  // Throws unless every byte, the header's too, is as it was written.
  decipher.final()
  const header = JSON.parse(sealed.subarray(lengthAt + 4, headEnd).toString('utf8')) as Header
  return { header, text: body.toString('utf8') }
}

function refused(message: string): CountersignError {
  return new CountersignError('forbidden', message, { reason: 'sealed-cache' })
}
