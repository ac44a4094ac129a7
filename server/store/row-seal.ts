import { hash } from 'node:crypto'
import type { Kysely } from 'kysely'
import type { Schema } from './schema.ts'

/** The tables whose rows are believed only under their MAC. */
export type SealedTable =
  | 'settings'
  | 'entries'
  | 'agents'
  | 'bundles'
  | 'federation_relationships'
  | 'bundle_confirmations'
  | 'authorities'
  | 'join_tokens'
  | 'revocation_facts'
  | 'policy_sets'
  | 'event_outbox'

/** A row that somebody else has written or changed. */
export interface RefusedRow {
  readonly table: SealedTable
  readonly id: string
}

/**
 * Puts a MAC on rows and looks at it whenever one is read, so that whoever can write to the database
 * and has no wrapping key cannot make the server believe anything. A row that was here before may
 * come back, or go away: its MAC says nothing of when.
 */
export interface RowSeal {
  /** Over the table and the parts: its key and every column that is believed. base64url. */
  mac(table: SealedTable, ...parts: readonly string[]): string
  /** Whether the MAC is that of the parts, the first of which names the row; a row that is refused is told of once. */
  holds(mac: string, table: SealedTable, ...parts: readonly string[]): boolean
  /** How many rows have been refused so far, each counted once. */
  readonly refused: number
}

const blockLength = 64
const maxRemembered = 10_000

/** HMAC-SHA-256 (RFC 2104) under the hex text of a key of 32 bytes. */
export function createRowSeal(key: Buffer, onRefused: (row: RefusedRow) => void): RowSeal {
  const text = key.toString('hex')
  if (text.length !== blockLength) throw new Error('the key of the row seal has 32 bytes')
  // A key of ASCII as long as a block: both pads are ASCII too, and the inner hash takes one string.
  // Two one-shot hashes are twice as fast as an Hmac object, and 100,000 rows wait at a start.
  const inner = padded(text, 0x36)
  const outer = Buffer.alloc(blockLength + 32)
  outer.write(padded(text, 0x5c), 'latin1')
  const mac: RowSeal['mac'] = (table, ...parts) => {
    let message = `${inner}${table}`
    // Each part after its length, so that no two rows are the same message.
    for (const part of parts) message += ` ${part.length}:${part}`
    outer.write(hash('sha256', message, 'binary'), blockLength, 'latin1')
    return hash('sha256', outer, 'base64url')
  }
  const known = new Set<string>()
  return {
    mac,
    holds(given, table, ...parts) {
      if (given === mac(table, ...parts)) return true
      const id = parts[0] ?? ''
      if (known.size < maxRemembered && !known.has(`${table} ${id}`)) {
        known.add(`${table} ${id}`)
        onRefused({ table, id })
      }
      return false
    },
    get refused() {
      return known.size
    },
  }
}

function padded(text: string, pad: number): string {
  return String.fromCharCode(...Buffer.from(text, 'latin1').map((byte) => byte ^ pad))
}

const seals = new WeakMap<object, RowSeal>()

/** From now on `sealOf` finds the seal by this connection, and by every transaction on it. */
export function attachSeal(db: Kysely<Schema>, seal: RowSeal): void {
  seals.set(db.getExecutor().adapter, seal)
}

export function sealOf(db: Kysely<Schema>): RowSeal {
  const seal = seals.get(db.getExecutor().adapter)
  if (seal === undefined) throw new Error('the connection has no row seal')
  return seal
}
