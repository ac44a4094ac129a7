import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { Policy } from '../../src/policy/policy.ts'
import type {
  ExchangeQuestion,
  IssueQuestion,
  PolicyQuestion,
  RevocationTarget,
} from '../../src/policy/question.ts'
import type { ExplainRequest } from '../../src/rpc/gen/countersign/policy/v1/ExplainRequest.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { Caller } from '../access/caller.ts'
import { readTarget } from '../revocation/revoke.ts'
import type { ApiDeps } from './deps.ts'
import { reachOf } from './reach.ts'
import { type StoredPolicyDeps, storedPolicyHandlers } from './stored-policies.ts'

const maxEntries = 16

/** countersign.policy.v1.Policies */
export function policiesHandlers(
  deps: Pick<ApiDeps, 'foreignClients' | 'index' | 'policies' | 'resources'> & StoredPolicyDeps,
): Record<string, RpcHandler<Caller>> {
  return {
    Explain: unary(async (request: ExplainRequest) => {
      const policies = policiesOf(deps)
      const answers = []
      for (const { question, entry } of questionsOf(request, deps)) {
        const whose = { entry_id: entry?.id ?? '', owner: entry?.owner ?? '' }
        if (entry?.disabledAt !== undefined) {
          answers.push({ ...whose, allowed: false, reason: 'entry-disabled' })
          continue
        }
        const { decision, deciding, nearest } = await policies.explain(question)
        answers.push({
          ...whose,
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

interface Asked {
  readonly question: PolicyQuestion
  /** undefined: an operator asks. */
  readonly entry: Entry | undefined
}

type QuestionDeps = Pick<ApiDeps, 'clock' | 'foreignClients' | 'index' | 'resources'>

/** One for each entry that carries the ID. Throws as `entriesOf` and `wishOf`, and `invalid`, `revoke-…`. */
function questionsOf(request: ExplainRequest, deps: QuestionDeps): readonly Asked[] {
  const { revoke, operator } = request
  const target = revoke === null ? undefined : targetOf(revoke)
  if (target === undefined) {
    const entries = entriesOf(request, deps)
    const wish = wishOf(request, deps)
    return entries.map((entry) => ({ entry, question: { ...wish, entry } }))
  }
  if (operator !== '') {
    return [{ entry: undefined, question: { action: 'revoke', by: { operator }, target } }]
  }
  return entriesOf(request, deps).map((entry) => ({
    entry,
    question: { action: 'revoke', by: { entry }, target },
  }))
}

/** Those that are disabled too, of which no policy is asked. Throws `not-found` `client-unknown`. */
function entriesOf(
  request: ExplainRequest,
  { index, foreignClients, clock }: QuestionDeps,
): readonly Entry[] {
  const spiffeId = SpiffeId.parse(request.spiffe_id)
  const now = clock.now()
  const entries = index
    .ofId(spiffeId, maxEntries)
    .filter(({ expiresAt }) => expiresAt === undefined || expiresAt > now)
  const foreign = foreignClients.get(spiffeId)
  if (foreign !== undefined) return [foreign]
  if (entries.length > 0) return entries
  throw new CountersignError('not-found', `no entry carries ${spiffeId}`, {
    reason: 'client-unknown',
    fix: 'register it with "countersign entry create", or describe it to "policy explain --policies FOLDER"',
  })
}

function targetOf(revoke: NonNullable<ExplainRequest['revoke']>): RevocationTarget {
  const { kind, id } = readTarget(revoke.kind, revoke.id)
  const { client, audience, owner } = revoke
  return kind === 'token' ? { kind, id, client, audience, owner } : { kind, id }
}

type Wish = PolicyQuestion extends infer Question
  ? Question extends IssueQuestion | ExchangeQuestion
    ? Omit<Question, 'entry'>
    : never
  : never

/** Throws as `reachOf`: of what nobody could be issued no policy is asked. */
function wishOf(request: ExplainRequest, { resources }: Pick<ApiDeps, 'resources'>): Wish {
  const { scopes, auth, address, shown, spiffe_id: spiffeId } = request
  const resource = reachOf(request.resource, scopes, resources)
  const wish = { resource, scopes, ttlSeconds: resource.maxTtlSeconds, auth, address }
  if (shown === null) return { action: 'issueToken', ...wish }
  const { subject, actors, audience } = shown
  const depth = actors.length + (subject === spiffeId ? 0 : 1)
  return { action: 'exchangeToken', ...wish, subject, actors, audience, depth }
}

function policyMessage({ id, place, text }: Policy, missing: readonly string[] = []) {
  return { id, place, text, missing: [...missing] }
}
