import { CountersignError } from '../../src/errors.ts'
import type { Secret } from '../../src/runtime/secret.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Registry } from '../entry/registry.ts'
import { createJoinToken, pruneJoinTokens } from '../store/join-tokens.ts'
import { newJoinToken } from './join-token.ts'
import type { Act, NodeDeps } from './lifecycle.ts'

const maxTtlSeconds = 30 * 86_400

export interface TokenRequest {
  readonly ttlSeconds: number
  /** The operator's own token. */
  readonly given: string | undefined
  /** An ID that the agent goes by too: an entry gives it to the agent. */
  readonly alias: SpiffeId | undefined
}

/** Makes a token that is good for one attestation. Throws `invalid` (`token-ttl`, `token-length`) or `exists`. */
export async function createNodeToken(
  deps: Pick<NodeDeps, 'trustDomain' | 'store' | 'clock'> & { readonly registry: Registry },
  request: TokenRequest,
  act: Act,
): Promise<{ readonly token: Secret; readonly expiresAt: Date }> {
  if (request.ttlSeconds < 1 || request.ttlSeconds > maxTtlSeconds) {
    throw new CountersignError('invalid', 'a join token lives 1 second to 30 days', {
      reason: 'token-ttl',
    })
  }
  const now = deps.clock.now()
  const expiresAt = new Date(now.getTime() + request.ttlSeconds * 1000)
  const { trustDomain } = deps
  const { token, record } = newJoinToken({ trustDomain, expiresAt, given: request.given })
  const { alias } = request
  const aliasEntries =
    alias === undefined ? [] : [await createAlias(deps, alias, record.agentId, act)]
  try {
    await deps.store.write(async (tx) => {
      await pruneJoinTokens(tx, now)
      await createJoinToken(tx, record)
      tx.audit({
        kind: 'token.created',
        time: now,
        decision: 'allow',
        spiffeId: record.agentId,
        expiresAt,
        ...act,
      })
    })
  } catch (error) {
    // No agent will ever have the name. Why there is no token is what the operator has to hear.
    await deps.registry.deleteEntries(aliasEntries, act).catch(() => {})
    throw error
  }
  return { token, expiresAt }
}

/** Makes the entry that gives the agent its other name, and answers its id. Its selector is one that only this agent has. */
async function createAlias(
  deps: { readonly registry: Registry },
  alias: SpiffeId,
  agentId: SpiffeId,
  act: Act,
): Promise<string> {
  const { results } = await deps.registry.createEntries(
    [
      {
        spiffeId: alias,
        parentId: agentId,
        selectors: [{ type: 'spiffe_id', value: agentId }],
      },
    ],
    act,
  )
  const [made] = results
  if (made?.entry === undefined) throw made?.error
  return made.entry.id
}
