import { hash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { CountersignError } from '../errors.ts'
import { httpGet } from '../runtime/http-get.ts'
import { readSignedHead, type SignedHead } from './signed-head.ts'

/** Anything that a sink has kept: what is a head is found in its lines, whatever stands around it. */
const heads = /(?<![\w-])eyJ[\w-]{16,1024}\.eyJ[\w-]{16,6144}\.[\w-]{40,1400}/g
/** Longer than any head. */
const maxHeadChars = 16_384
/** So much of a line is looked at together: collectors write a batch of thousands of records as one. */
const maxPieceChars = 256 << 10
const maxHeads = 1_000_000
const timeoutMs = 30_000

export interface Anchor {
  /** In the order in which they stand there. */
  readonly heads: readonly SignedHead[]
  /** What looks like a head and is not signed by the key that it names. */
  readonly forged: number
}

/**
 * Reads the signed heads of a file, or of an `https` URL (`http` for this machine alone), whose answer is
 * never redirected. Throws `invalid`: `anchor-url`, `anchor-size`, `anchor-empty`; `not-found` `anchor-unreadable`;
 * `unavailable` `anchor-unavailable`; and the signal's reason.
 */
export async function readAnchor(source: string, signal?: AbortSignal): Promise<Anchor> {
  const found: SignedHead[] = []
  let forged = 0
  const seen = new Set<string>()
  for await (const piece of piecesOf(
    /^[a-z]+:\/\//.test(source) ? fromUrl(source) : fromFile(source),
  )) {
    signal?.throwIfAborted()
    for (const [text] of piece.matchAll(heads)) {
      // Log shippers repeat themselves. A head itself would keep all of its piece in memory.
      const digest = hash('sha256', text, 'base64')
      if (seen.has(digest)) continue
      const head = await readSignedHead(text)
      if (head === undefined) {
        forged += Number(claimsToBeHead(text))
        continue
      }
      found.push(head)
      seen.add(digest)
      if (found.length > maxHeads) throw tooMany()
    }
  }
  if (found.length > 0) return { heads: found, forged }
  throw new CountersignError('invalid', `there is no signed head in ${source}`, {
    reason: 'anchor-empty',
    fix: 'name what a sink of the server has kept: its copy of the trail, or of the records trail.head',
  })
}

function claimsToBeHead(text: string): boolean {
  const header = Buffer.from(text.slice(0, text.indexOf('.')), 'base64url').toString('latin1')
  return header.includes('trail-head+jwt')
}

/** Lines, and long ones in parts: none is cut within a word, and so within a head. */
async function* piecesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
    if (rest.length <= maxPieceChars) continue
    const end = wordAtEnd(rest)
    yield rest.slice(0, end)
    // A word that is too long for a head is none, however it ends.
    rest = rest.length - end > maxHeadChars ? '-' : rest.slice(end)
  }
  yield rest
}

/** Where the word begins with which a text ends. */
function wordAtEnd(text: string): number {
  let at = text.length
  while (at > 0 && /[\w.-]/.test(text[at - 1] as string)) at -= 1
  return at
}

async function* fromFile(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path)
  } catch (cause) {
    throw new CountersignError('not-found', `cannot read ${path}`, {
      reason: 'anchor-unreadable',
      fix: 'name a file that a sink of the server has written',
      cause,
    })
  }
}

async function* fromUrl(source: string): AsyncGenerator<Uint8Array> {
  const url = URL.parse(source)
  const local = ['localhost', '127.0.0.1', '[::1]'].includes(url?.hostname ?? '')
  if (url === null || (url.protocol !== 'https:' && !(local && url.protocol === 'http:'))) {
    throw new CountersignError('invalid', 'an anchor is a file or an https URL', {
      reason: 'anchor-url',
    })
  }
  try {
    yield* (await httpGet(url, { signal: AbortSignal.timeout(timeoutMs) })) as AsyncIterable<Buffer>
  } catch (cause) {
    throw new CountersignError('unavailable', `cannot fetch ${url.origin}${url.pathname}`, {
      reason: 'anchor-unavailable',
      fix: 'fetch it with a program that can, and name the file',
      cause,
    })
  }
}

function tooMany(): CountersignError {
  return new CountersignError('invalid', `the anchor has more than ${maxHeads} signed heads`, {
    reason: 'anchor-size',
    fix: 'name its newest part: one head covers all records before it',
  })
}
