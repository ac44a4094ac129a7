import { hash } from 'node:crypto'
import type { AuditEvent } from './event.ts'
import { inAscii } from './in-ascii.ts'
import { recordOf } from './record.ts'

/**
 * A trail is JSON lines. Each ends with `"prev"`, the hash of the line before it, and `"hash"`, the
 * SHA-256 (lower-case hex) of its own bytes up to the comma before `"hash"`. So each hash covers all
 * lines up to it, and whoever knows the last one knows that nothing before it was touched.
 */
export interface ChainHead {
  /** Number of the last line; 0 before the first. */
  readonly number: number
  /** Hash of the last line; 64 zeros before the first. */
  readonly hash: string
}

export const chainStart: ChainHead = { number: 0, hash: '0'.repeat(64) }

const suffixLength = `,"hash":"${chainStart.hash}"}`.length

/** The event as the line after `head`, without its newline, and the new head. */
export function nextLine(head: ChainHead, event: AuditEvent): { line: string; head: ChainHead } {
  const number = head.number + 1
  const record = inAscii(JSON.stringify(recordOf(event)))
  const body = `{"v":1,"n":${number},${record.slice(1, -1)},"prev":"${head.hash}"`
  const digest = hash('sha256', body, 'hex')
  return { line: `${body},"hash":"${digest}"}`, head: { number, hash: digest } }
}

/** What a line says of its place in the chain; undefined where its own hash does not fit its bytes, or it says two things. */
export function readLink(line: string): { head: ChainHead; previous: string } | undefined {
  const claimed = claimedLink(line)
  const body = line.slice(0, -suffixLength)
  if (claimed === undefined || hash('sha256', body, 'hex') !== claimed.head.hash) return undefined
  let value: { readonly v?: unknown; readonly n?: unknown; readonly prev?: unknown } | null
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  // Of two numbers in a line the first is read below, and the last by whoever reads JSON.
  const isOne = value?.v === 1 && value.n === claimed.head.number && value.prev === claimed.previous
  return isOne ? claimed : undefined
}

const placePattern = /^\{"v":1,"n":(\d{1,15}),/
const endPattern = /,"prev":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}$/
const endLength = `,"prev":"${chainStart.hash}"`.length + suffixLength

/** What a line says of itself, taken at its word: `readLink` without the proof, for a fiftieth of its price. */
export function claimedLink(line: string): { head: ChainHead; previous: string } | undefined {
  const place = placePattern.exec(line.slice(0, 32))?.[1]
  const end = endPattern.exec(line.slice(-endLength))
  if (place === undefined || end?.[1] === undefined || end[2] === undefined) return undefined
  return { head: { number: Number(place), hash: end[2] }, previous: end[1] }
}

export type ChainFault =
  /** The line's bytes do not fit its hash: it was changed. */
  | 'line-changed'
  /** It is whole but does not follow the line before it: something was removed, put in or moved. */
  | 'line-out-of-place'
  /** The last line is not the one that `expected` names: the end was cut off or written anew. */
  | 'end-differs'
  /** A head in the trail is not signed by the key that it names. */
  | 'head-signature'
  /** It is signed by a key that neither was named nor has been announced. */
  | 'head-key'
  /** What a head says of a record is not so: the trail was written anew. */
  | 'head-differs'
  /** A signed head is of a record past the end, which was cut off. */
  | 'head-beyond'
  /** The first line is not record 1, nor the one that was said to come first. */
  | 'front-missing'

export interface ChainVerdict {
  /** Lines that are whole and in place, from the first on. */
  readonly verified: number
  readonly head: ChainHead
  readonly fault: { readonly kind: ChainFault; readonly line: number } | undefined
}

/**
 * Checks lines (without newlines) from `from` on, and stops at the first fault. `line` counts from 1.
 * A cut-off end leaves a chain that is whole in itself: it is found only where `expected` gives the
 * head that was known from elsewhere, such as the next file or a copy.
 */
export function verify(
  lines: Iterable<string>,
  options: { readonly from?: ChainHead; readonly expected?: ChainHead } = {},
): ChainVerdict {
  let head = options.from ?? chainStart
  let verified = 0
  for (const line of lines) {
    const link = readLink(line)
    const kind =
      link === undefined
        ? 'line-changed'
        : link.previous !== head.hash || link.head.number !== head.number + 1
          ? 'line-out-of-place'
          : undefined
    if (link === undefined || kind !== undefined) {
      return { verified, head, fault: { kind: kind ?? 'line-changed', line: verified + 1 } }
    }
    head = link.head
    verified += 1
  }
  const { expected } = options
  const differs =
    expected !== undefined && (expected.hash !== head.hash || expected.number !== head.number)
  return {
    verified,
    head,
    fault: differs ? { kind: 'end-differs', line: verified + 1 } : undefined,
  }
}
