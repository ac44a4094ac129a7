import type { IncomingMessage } from 'node:http'
import { CountersignError } from '../../src/errors.ts'
import type { TokenClaims } from '../../src/jwt/compact.ts'
import { bearerOf } from '../../src/middleware/bearer.ts'
import { authorizationsOf } from '../../src/middleware/node.ts'
import { expired, hasLapsed } from '../../src/resource-server/open-requests.ts'
import { endsAtMsOf, signedOf } from '../../src/resource-server/shown-token.ts'
import type { Verifier } from '../../src/resource-server/verifier.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'

/** Who is at the other end of a connection, by the X.509-SVID that TLS has seen the key of. */
export interface Peer {
  readonly spiffeId: SpiffeId
  /** The leaf, DER. */
  readonly certificate: Buffer
  /** Whether it counts still: neither expired nor revoked, and its authority in the bundle. */
  readonly holds: () => boolean
  readonly issuedAt: Date
}

/** Who calls, and for whom, as far as that is proved. */
export interface Caller {
  readonly spiffeId: SpiffeId
  readonly auth: 'svid' | 'token' | 'bound-token'
  readonly owner: string
  readonly purpose: string
  readonly entryId: string | undefined
  /** `sub` of the token: for whom, where that is somebody else. */
  readonly subject: string | undefined
  readonly tokenId: string | undefined
  readonly transaction: string | undefined
  /** Who has passed the call on, the caller first. */
  readonly actors: readonly string[]
  /** By what revocations judge: what the token says, and the key that has signed it, or as much of the SVID. */
  readonly shown: { readonly claims: TokenClaims; readonly keyId: string | undefined }
  /** How long what was shown counts, if nothing is revoked. */
  readonly proof: {
    /** Until then the token is taken, in milliseconds since 1970; undefined: there is none. */
    readonly endsAtMs: number | undefined
    /** As of the peer. */
    readonly holds: () => boolean
  }
}

/**
 * Who sends this request. A token has to be for this integration alone; one that is bound, shown with its
 * certificate; and where there is an SVID too, that has to be its client's. Rejects as `Verifier.verify`, and with
 * `unauthenticated`: `token-missing`, `caller-svid`, `caller-other`, `caller-id`; `invalid` `token-repeated`.
 */
export async function identify(
  request: IncomingMessage,
  peer: Peer | undefined,
  options: { readonly verifier: Verifier; readonly svidAlone: boolean },
): Promise<Caller> {
  const holds = (): boolean => peer?.holds() ?? true
  if (!holds()) throw svidGone()
  const authorizations = authorizationsOf(request)
  if (authorizations.length === 0 && peer !== undefined && options.svidAlone) {
    const { spiffeId, issuedAt } = peer
    const iat = Math.floor(issuedAt.getTime() / 1000)
    const claims = { iat, sub: spiffeId, client_id: spiffeId }
    const shown = { claims, keyId: undefined }
    return { ...nobody, spiffeId, auth: 'svid', shown, proof: { endsAtMs: undefined, holds } }
  }
  const token = bearerOf(authorizations, 'an access token')
  const access = await options.verifier.verify(token, { certificate: peer?.certificate })
  if (peer !== undefined && peer.spiffeId !== access.clientId) {
    refuse('caller-other', 'the token is of another workload than the SVID')
  }
  return {
    spiffeId: idOf(access.clientId),
    auth: access.bound ? 'bound-token' : 'token',
    owner: access.owner ?? '',
    purpose: access.purpose ?? '',
    entryId: access.entryId,
    subject: access.subject,
    tokenId: access.tokenId,
    transaction: access.transaction,
    actors: access.actors,
    shown: signedOf(access),
    proof: { endsAtMs: endsAtMsOf(access), holds },
  }
}

/**
 * Why a call that has been under way for `openMs` ends by now (milliseconds since 1970) with what its caller has shown:
 * with its token as elsewhere, what is answered soon is not cut off; with its SVID as soon as that counts no more.
 */
export function lapseOf(
  { proof: { endsAtMs, holds } }: Pick<Caller, 'proof'>,
  nowMs: number,
  openMs: number,
): CountersignError | undefined {
  if (!holds()) return svidGone()
  return endsAtMs !== undefined && hasLapsed(endsAtMs, nowMs, openMs) ? expired() : undefined
}

function svidGone(): CountersignError {
  return new CountersignError('unauthenticated', 'the SVID of this connection counts no more', {
    reason: 'caller-svid',
  })
}

/** Whether what was shown is enough by this. Throws `unauthenticated` (`token-missing`, `token-binding`). */
export function checkShown(
  { auth }: Pick<Caller, 'auth'>,
  { svidAlone, requireBound }: { readonly svidAlone: boolean; readonly requireBound: boolean },
): void {
  if (auth === 'svid' && !svidAlone) refuse('token-missing', 'an SVID alone is not enough')
  if (auth === 'token' && requireBound) {
    refuse('token-binding', 'the token is not bound to a certificate')
  }
}

const nobody = {
  owner: '',
  purpose: '',
  entryId: undefined,
  subject: undefined,
  tokenId: undefined,
  transaction: undefined,
  actors: [],
} as const

function idOf(clientId: string): SpiffeId {
  try {
    return SpiffeId.parse(clientId)
  } catch {
    return refuse('caller-id', 'the client of the token is no workload')
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('unauthenticated', message, { reason })
}
