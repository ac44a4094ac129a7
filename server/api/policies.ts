import { CountersignError } from '../../src/errors.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type { IssueQuestion, PolicyQuestion } from '../../src/policy/question.ts'
import type { ExplainRequest } from '../../src/rpc/gen/countersign/policy/v1/ExplainRequest.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Caller } from '../access/caller.ts'
import type { ApiDeps } from './deps.ts'
import { type StoredPolicyDeps, storedPolicyHandlers } from './stored-policies.ts'

const maxEntries = 16

/** countersign.policy.v1.Policies */
export function policiesHandlers(
  deps: Pick<ApiDeps, 'policies' | 'index' | 'resources'> & StoredPolicyDeps,
): Record<string, RpcHandler<Caller>> {
  const { index, clock } = deps
  return {
    Explain: unary(async (request: ExplainRequest) => {
      const policies = policiesOf(deps)
      const wish = wishOf(request, deps)
      const spiffeId = SpiffeId.parse(request.spiffe_id)
      const now = clock.now()
      const entries = index
        .list({ spiffeId }, undefined, maxEntries)
        .filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now)
      if (entries.length === 0) {
        throw new CountersignError('not-found', `no entry carries ${spiffeId}`, {
          reason: 'client-unknown',
          fix: 'register it with "countersign entry create", or describe it to "policy explain --policies FOLDER"',
        })
      }
      const answers = []
      for (const entry of entries) {
        const explained = await policies.explain({ ...wish, entry })
        const { decision, deciding, nearest } = explained
        answers.push({
          ...{ entry_id: entry.id, owner: entry.owner },
          ...{ allowed: decision.allowed, reason: decision.reason },
          deciding: deciding.map((policy) => policyMessage(policy)),
          nearest: nearest.map(({ policy, missing }) => policyMessage(policy, missing)),
        })
      }
      return { answers, revision: policies.revision }
    }),
    ...storedPolicyHandlers(deps),
  }
}

/** Throws `unavailable` `oauth-off`. */
function policiesOf({ policies }: Pick<ApiDeps, 'policies'>): NonNullable<ApiDeps['policies']> {
  if (policies !== undefined) return policies
  throw new CountersignError('unavailable', 'this server issues no access tokens', {
    reason: 'oauth-off',
    fix: 'set oauth in its configuration',
  })
}

type Wish = PolicyQuestion extends infer Question
  ? Question extends IssueQuestion | { readonly action: 'exchangeToken' }
    ? Omit<Question, 'entry'>
    : never
  : never

/** Throws `not-found` `target-unknown`. */
function wishOf(request: ExplainRequest, { resources }: Pick<ApiDeps, 'resources'>): Wish {
  const { scopes, auth, address, shown, spiffe_id: spiffeId } = request
  const resource = resources.get(request.resource)
  if (resource === undefined) {
    throw new CountersignError('not-found', 'there is no such resource', {
      reason: 'target-unknown',
      fix: 'name one of oauth.resources, exactly',
    })
  }
  const wish = { resource, scopes, ttlSeconds: resource.maxTtlSeconds, auth, address }
  if (shown === null) return { action: 'issueToken', ...wish }
  const { subject, actors, audience } = shown
  const depth = actors.length + (subject === spiffeId ? 0 : 1)
  return { action: 'exchangeToken', ...wish, subject, actors, audience, depth }
}

function policyMessage({ id, place, text }: Policy, missing: readonly string[] = []) {
  return { id, place, text, missing: [...missing] }
}
