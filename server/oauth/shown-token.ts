import { hash } from 'node:crypto'
import { z } from 'zod'
import { CountersignError } from '../../src/errors.ts'
import { readCompact, type TokenClaims } from '../../src/jwt/compact.ts'
import { publicKeyOf } from '../../src/jwt/key-cache.ts'
import { verifySignature } from '../../src/jwt/verify.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { parsedBy } from '../../src/runtime/config-value.ts'
import { Recent } from '../../src/runtime/recent.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Ca } from '../ca/ca.ts'
import type { Revocations } from '../revocation/revocations.ts'

/** An access token of this server's that somebody has shown to it: verified, neither expired nor revoked. */
export interface ShownToken {
  /** As signed. Without a prototype. */
  readonly claims: TokenClaims
  readonly keyId: string
  readonly jti: string
  readonly txn: string
  /** Whom it speaks for. */
  readonly subject: SpiffeId
  /** Whom it was issued to. */
  readonly clientId: SpiffeId
  /** Who acts for the subject, the current one first (RFC 8693 §4.1). */
  readonly actors: readonly string[]
  /** Of the certificate that it is bound to (RFC 8705 §3.1). */
  readonly thumbprint: string | undefined
  readonly audience: string
  readonly scopes: readonly string[]
  readonly expiresAt: Date
}

/** Reads access tokens of this server's own. */
export interface TokenReader {
  /**
   * Rejects with `unauthenticated`: `token-too-large`, `token-malformed`, `token-algorithm`, `token-header`,
   * `token-type`, `token-key` (none of this server's, or one that was revoked), `token-signature`, `token-issuer`,
   * `token-claims`, `token-not-yet-valid`, `token-expired`, `token-revoked`.
   */
  read(token: string): Promise<ShownToken>
}

/** As this server signs them: never in the long form of RFC 9068 §2.1, which others may write. */
const types: ReadonlySet<unknown> = new Set(['at+jwt'])
const maxTokenBytes = 8192
const maxRemembered = 4096

const name = z.string().min(1)
const spiffeId = parsedBy(SpiffeId.parse)
const claimsSchema = z.object({
  ...{
    iss: name,
    sub: spiffeId,
    client_id: spiffeId,
    aud: name,
    jti: name,
    txn: name,
    scope: name,
  },
  exp: z.int(),
  nbf: z.int().optional(),
  cnf: z.strictObject({ 'x5t#S256': name }).optional(),
})

/** Remembers what it has verified, by SHA-256, as long as the key that has signed it is published. */
export function createTokenReader(deps: {
  readonly issuer: string
  readonly ca: Pick<Ca, 'state'>
  readonly revocations: Pick<Revocations, 'judge'>
  readonly clock: Clock
}): TokenReader {
  const { issuer, ca, revocations, clock } = deps
  const remembered = new Recent<string, ShownToken>(maxRemembered)
  const spkiOf = (keyId: string): Buffer | undefined => {
    const { active, prepared, old } = ca.state('oauth')
    // All that are published: another server may have activated the prepared one by now.
    return [active, prepared, ...old].find((key) => key?.id === keyId)?.publicKey
  }
  const verify = async (token: string): Promise<ShownToken> => {
    if (token.length > maxTokenBytes) refuse('token-too-large', 'the token is too large')
    const parsed = readCompact(token, types)
    const { keyId = '', claims } = parsed
    const spki = spkiOf(keyId)
    const key = spki && publicKeyOf(spki)
    if (key === undefined) return refuse('token-key', 'no key of this server has the id')
    if (!(await verifySignature(token, parsed, key))) {
      refuse('token-signature', 'the signature of the token is wrong')
    }
    const said = claimsSchema.safeParse(claims).data
    if (said === undefined) return refuse('token-claims', 'the token lacks what its kind says')
    if (said.iss !== issuer) refuse('token-issuer', 'the token is of another issuer')
    // RFC 7662 §4: none of ours says so, and who asks about one is told the same as services find.
    if (clock.now().getTime() < (said.nbf ?? 0) * 1000) {
      refuse('token-not-yet-valid', 'the token is not valid yet')
    }
    return {
      ...{ claims, keyId, jti: said.jti, txn: said.txn, subject: said.sub },
      ...{ clientId: said.client_id, audience: said.aud, scopes: said.scope.split(' ') },
      actors: actorsOf(claims['act']),
      thumbprint: said.cnf?.['x5t#S256'],
      expiresAt: new Date(said.exp * 1000),
    }
  }
  return {
    async read(token) {
      const digest = hash('sha256', token, 'base64')
      const before = remembered.get(digest)
      const known = before !== undefined && spkiOf(before.keyId) !== undefined
      const shown = known ? before : await verify(token)
      if (!known) remembered.set(digest, shown)
      if (clock.now() >= shown.expiresAt) {
        remembered.delete(digest)
        refuse('token-expired', 'the token is expired')
      }
      if (revocations.judge(shown.claims, shown.keyId) !== undefined) {
        refuse('token-revoked', 'the token was revoked')
      }
      return shown
    },
  }
}

/** How deep it can be nested, the reader of JSON has bounded. */
function actorsOf(act: unknown): string[] {
  const actors: string[] = []
  for (let one = act; one !== undefined; ) {
    const { sub, act: before } = (one ?? {}) as { readonly sub?: unknown; readonly act?: unknown }
    if (typeof sub !== 'string') return refuse('token-claims', 'act of the token is unsound')
    actors.push(sub)
    one = before
  }
  return actors
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}
