import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { Secret } from '../../src/runtime/secret.ts'
import { joinTokenAgentId } from '../../src/spiffe-id/reserved.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { consumeJoinToken, findJoinToken } from '../store/join-tokens.ts'
import type { JoinTokenRecord } from '../store/records.ts'
import type { Store } from '../store/store.ts'
import type { NodeAttestor } from './attestor.ts'

export const joinTokenType = 'join_token'
const maxTokenBytes = 255

/** The form in which a token is kept: it cannot be turned back. */
export function hashJoinToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex')
}

/**
 * A token of 128 random bits, or the operator's own, and the record to keep of it. The agent's ID
 * names neither: it is drawn apart, so that entries may speak of the agent before it has joined.
 */
export function newJoinToken(options: {
  readonly trustDomain: TrustDomain
  readonly expiresAt: Date
  readonly given?: string | undefined
}): { readonly token: Secret; readonly record: JoinTokenRecord } {
  const token = options.given ?? randomBytes(16).toString('hex')
  if (token.length < 16 || Buffer.byteLength(token) > maxTokenBytes) {
    throw new CountersignError('invalid', 'a join token has 16 to 255 characters', {
      reason: 'token-length',
      fix: 'leave the token out and let the server draw one',
    })
  }
  return {
    token: new Secret(token),
    record: {
      hash: hashJoinToken(token),
      agentId: joinTokenAgentId(options.trustDomain, randomUUID()),
      expiresAt: options.expiresAt,
    },
  }
}

/** Attestation by a token that is good once. It cannot be repeated: whoever has used it must renew. */
export function joinTokenAttestor(store: Pick<Store, 'db'>, clock: Clock): NodeAttestor {
  return {
    type: joinTokenType,
    async verify({ payload }) {
      if (payload.length > maxTokenBytes) throw refused()
      const hash = hashJoinToken(payload.toString('utf8'))
      const found = await findJoinToken(store.db, hash, clock.now())
      if (found === undefined) throw refused()
      return {
        agentId: found.agentId,
        selectors: [],
        canReattest: false,
        async settle(tx) {
          const used = await consumeJoinToken(tx, hash, clock.now())
          if (used?.agentId !== found.agentId) throw refused()
        },
      }
    },
  }
}

function refused(): CountersignError {
  return new CountersignError(
    'invalid',
    'failed to attest: join token does not exist or has already been used',
    {
      reason: 'join-token-refused',
      fix: 'make a new one with: countersign token create',
    },
  )
}
