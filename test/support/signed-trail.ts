import { generateKeyPairSync, hash, type KeyObject } from 'node:crypto'
import { type ChainHead, chainStart, nextLine } from '../../src/audit/chain.ts'
import type { AuditEvent } from '../../src/audit/event.ts'
import { headType } from '../../src/audit/signed-head.ts'
import { signCompact } from '../../src/jwt/sign.ts'
import { softwareSigner, spkiOf } from '../../src/x509/key.ts'

export const chainName: string = 'c0'.repeat(16)

/** A key for heads, and the name that it is pinned by. */
export interface HeadKey {
  readonly privateKey: KeyObject
  readonly sha256: string
}

export function makeHeadKey(): HeadKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const spki = spkiOf(softwareSigner(privateKey).publicKey)
  return { privateKey, sha256: hash('sha256', spki, 'hex') }
}

/** As a server signs it. */
export async function signHead(
  { number, hash: digest }: ChainHead,
  { privateKey }: HeadKey,
  said: {
    readonly next?: readonly string[]
    readonly chain?: string
    readonly time?: Date
    readonly filler?: string
  } = {},
): Promise<string> {
  const signer = softwareSigner(privateKey)
  const { time = new Date('2026-06-01T12:00:00Z') } = said
  const claims = {
    iss: 'spiffe://example.org',
    iat: Math.floor(time.getTime() / 1000),
    chain: said.chain ?? chainName,
    n: number,
    hash: digest,
    server: 'host-1',
    key: spkiOf(signer.publicKey).toString('base64'),
    next: said.next ?? [],
    ...(said.filler !== undefined && { filler: said.filler }),
  }
  return signCompact(signer, 'k1', claims, headType)
}

/** A trail in memory, with records and heads as they are asked for. */
export class TrailText {
  lines: string[] = []
  head: ChainHead = chainStart

  add(...owners: readonly string[]): this {
    for (const owner of owners) this.put({ kind: 'entry.created', owner })
    return this
  }

  /** Signs where it stands. Answers the head. */
  async sign(key: HeadKey, said?: Parameters<typeof signHead>[2]): Promise<string> {
    const signedHead = await signHead(this.head, key, said)
    this.put({ kind: 'trail.head', signedHead })
    return signedHead
  }

  put(event: Partial<AuditEvent> & Pick<AuditEvent, 'kind'>): void {
    const time = new Date('2026-06-01T12:00:00Z')
    const next = nextLine(this.head, {
      time,
      actor: { kind: 'server' },
      decision: 'allow',
      ...event,
    })
    this.lines.push(next.line)
    this.head = next.head
  }

  get text(): string {
    return this.lines.map((line) => `${line}\n`).join('')
  }
}

/** What a line says beside its place in the chain; undefined where it is none. */
export function recordIn(line: string): string | undefined {
  return /^\{"v":1,"n":\d+,(.*),"prev":"[0-9a-f]{64}","hash":"[0-9a-f]{64}"\}$/s.exec(line)?.[1]
}

/**
 * The lines of these records as anybody can write them, who holds no key: each in its place in a chain that is whole.
 * `placeOf` writes a line's number.
 */
export function chained(
  records: readonly string[],
  placeOf: (number: number) => string = (number) => `"n":${number}`,
): string[] {
  let before = chainStart.hash
  return records.map((record, at) => {
    const body = `{"v":1,${placeOf(at + 1)},${record},"prev":"${before}"`
    before = hash('sha256', body, 'hex')
    return `${body},"hash":"${before}"}`
  })
}
