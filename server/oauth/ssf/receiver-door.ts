import { hash } from 'node:crypto'
import { CountersignError } from '../../../src/errors.ts'
import type { OauthAnswer } from '../answer.ts'
import {
  type ClientDoorDeps,
  checkStanding,
  createClientDoor,
  type OauthRequest,
} from '../client-door.ts'
import type { ShownToken, TokenReader } from '../shown-token.ts'
import { authenticateClient, type Client } from '../spiffe-client-auth.ts'
import { type EventStream, readScope } from './settings.ts'

export interface ReceiverDoorDeps extends ClientDoorDeps {
  readonly streams: ReadonlyMap<string, EventStream>
  readonly tokens: TokenReader
}

/**
 * Lets a receiver ask about its own streams. It proves itself as at the feed, and is named among the `receivers`; or it shows
 * in `authorization: Bearer` an access token of this issuer for the audience of a stream, with the scope `ssf.read`, bound
 * ones with their certificate. Nothing here throws.
 */
export type ReceiverDoor = (
  request: OauthRequest,
  bearer: string | undefined,
  answer: (own: readonly EventStream[]) => Promise<OauthAnswer>,
) => Promise<OauthAnswer>

export function createReceiverDoor(deps: ReceiverDoorDeps): ReceiverDoor {
  const streams = [...deps.streams.values()]
  return (request, bearer, answer) => {
    let own: readonly EventStream[] = []
    const door = createClientDoor(
      'events',
      deps,
      async ({ client }) => {
        if (own.length === 0) throw notReceiver()
        const answered = await answer(own)
        // It may have waited for half a minute: who was let in may be among those that it tells of.
        checkStanding(client, deps)
        if (client.method === 'access_token') await deps.tokens.read(bearer ?? '')
        return answered
      },
      async (proof, auth) => {
        const token = await readIfAccessToken(bearer, deps.tokens)
        if (token === undefined) {
          const client = await authenticateClient(proof, auth)
          own = streams.filter(({ receivers }) => receivers.has(client.spiffeId))
          return client
        }
        checkBinding(token, proof.chain)
        const mayRead = token.scopes.includes(readScope)
        own = streams.filter(({ audience }) => mayRead && audience === token.audience)
        return holderOf(token)
      },
    )
    return door.answer(request)
  }
}

/** Of all streams or of another’s: there is no telling which there are. */
export function notReceiver(): CountersignError {
  return new CountersignError('forbidden', 'this is no stream of this receiver', {
    reason: 'ssf-not-receiver',
    fix: `name it in receivers of the stream, or show a token for its audience with the scope ${readScope}`,
  })
}

/** undefined: it is of another type, such as a JWT-SVID. Throws as `TokenReader`. */
async function readIfAccessToken(
  bearer: string | undefined,
  tokens: TokenReader,
): Promise<ShownToken | undefined> {
  if (bearer === undefined) return undefined
  try {
    return await tokens.read(bearer)
  } catch (error) {
    if (error instanceof CountersignError && error.reason === 'token-type') return undefined
    throw error
  }
}

/** RFC 8705 §3: that the key of the certificate is there TLS has proved. */
function checkBinding({ thumbprint }: ShownToken, [leaf]: readonly Buffer[]): void {
  if (thumbprint === undefined) return
  if (leaf !== undefined && hash('sha256', leaf, 'base64url') === thumbprint) return
  throw new CountersignError('unauthenticated', 'the token is bound to another certificate', {
    reason: 'token-binding',
  })
}

function holderOf({ clientId, claims, expiresAt }: ShownToken): Client {
  const issuedAt = typeof claims.iat === 'number' ? new Date(claims.iat * 1000) : undefined
  return { spiffeId: clientId, method: 'access_token', issuedAt, expiresAt }
}
