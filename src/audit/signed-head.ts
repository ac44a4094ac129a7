import { createPublicKey, hash } from 'node:crypto'
import { z } from 'zod'
import { CountersignError } from '../errors.ts'
import { type CompactToken, readCompact } from '../jwt/compact.ts'
import { verifySignature } from '../jwt/verify.ts'
import type { ChainHead } from './chain.ts'

/** `typ` of the JWS (RFC 8725 §3.11). */
export const headType: 'trail-head+jwt' = 'trail-head+jwt'

/** Where a server has said that its trail stands, and by which key. */
export interface SignedHead {
  /** Name of the server's chain, 32 hex digits. */
  readonly chain: string
  readonly head: ChainHead
  readonly time: Date
  /** The host that the server ran on, as it called itself. */
  readonly server: string
  /** SHA-256 of the key's SubjectPublicKeyInfo, hex. */
  readonly key: string
  /** The same of keys that may sign from now on. */
  readonly next: readonly string[]
}

/** What a server signs. */
export interface HeadClaims extends Record<string, unknown> {
  /** The trust domain. */
  readonly iss: string
  readonly iat: number
  readonly chain: string
  readonly n: number
  readonly hash: string
  readonly server: string
  /** SubjectPublicKeyInfo of the key that signs: DER, base64. */
  readonly key: string
  readonly next: readonly string[]
}

const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const claimsSchema: z.ZodType<HeadClaims> = z.object({
  iss: z.string().max(2048),
  iat: z.int().min(0),
  chain: z.string().regex(/^[0-9a-f]{32}$/),
  n: z.int().min(1),
  hash: sha256,
  server: z.string().max(255),
  key: z.base64().max(1024),
  next: z.array(sha256).max(16),
})

const types: ReadonlySet<unknown> = new Set([headType])
const maxHeadBytes = 8192

/** Whether it is one by its form; who has signed it, if anybody, stays open. */
export function isSignedHead(text: string): boolean {
  return read(text) !== undefined
}

/** The head, where its signature is good by the key that it names; undefined where it is not, or is no head. */
export async function readSignedHead(text: string): Promise<SignedHead | undefined> {
  const token = read(text)
  const claims = claimsSchema.safeParse({ ...token?.claims }).data
  if (token === undefined || claims === undefined) return undefined
  const spki = Buffer.from(claims.key, 'base64')
  try {
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
    if (!(await verifySignature(text, token, key))) return undefined
  } catch {
    return undefined
  }
  return {
    chain: claims.chain,
    head: { number: claims.n, hash: claims.hash },
    time: new Date(claims.iat * 1000),
    server: claims.server,
    key: hash('sha256', spki, 'hex'),
    next: claims.next,
  }
}

function read(text: string): CompactToken | undefined {
  if (text.length > maxHeadBytes) return undefined
  try {
    return readCompact(text, types)
  } catch (error) {
    if (error instanceof CountersignError) return undefined
    throw error
  }
}
