import { createReadStream } from 'node:fs'
import { CountersignError } from '../errors.ts'
import { httpGet } from '../runtime/http-get.ts'
import { readSignedHead, type SignedHead } from './signed-head.ts'

/** Anything that a sink has kept: what is a head is found in its lines, whatever stands around it. */
const heads = /(?<![\w-])eyJ[\w-]{16,1024}\.eyJ[\w-]{16,6144}\.[\w-]{40,1400}/g
const maxLineChars = 1 << 20
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
 * `unavailable` `anchor-unavailable`.
 */
export async function readAnchor(source: string): Promise<Anchor> {
  const found: SignedHead[] = []
  let forged = 0
  const seen = new Set<string>()
  for await (const line of linesOf(
    /^[a-z]+:\/\//.test(source) ? fromUrl(source) : fromFile(source),
  )) {
    for (const [text] of line.matchAll(heads)) {
      // Log shippers repeat themselves.
      if (seen.has(text)) continue
      const head = await readSignedHead(text)
      if (head === undefined) forged += Number(claimsToBeHead(text))
      else found.push(head)
      if (head !== undefined) seen.add(text)
      if (found.length > maxHeads) throw tooLarge(`more than ${maxHeads} signed heads`)
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

async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of chunks) {
    const lines = (rest + Buffer.from(chunk).toString('latin1')).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > maxLineChars) throw tooLarge('a line of more than 1 MiB')
    yield* lines
  }
  yield rest
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

function tooLarge(what: string): CountersignError {
  return new CountersignError('invalid', `the anchor has ${what}`, {
    reason: 'anchor-size',
    fix: 'name its newest part: one head covers all records before it',
  })
}
