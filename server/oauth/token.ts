import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { nestedActors } from '../../src/jwt/nested-actors.ts'
import type { ExchangeQuestion, IssueQuestion } from '../../src/policy/question.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { AccessTokenRequest } from '../ca/issue-access-token.ts'
import type { Policies } from '../policy/policies.ts'
import type { Form } from './form.ts'
import { PolicyRefusal } from './policy-refusal.ts'
import type { Resource } from './resource-settings.ts'
import type { Client } from './spiffe-client-auth.ts'

/** What a client asks for, once it is known to be possible. */
export interface Wish {
  readonly resource: Resource
  readonly scopes: readonly string[]
}

/**
 * One resource (RFC 8707 §2; `audience` of RFC 8693 §2.1 is another word for it), and scopes that are registered
 * with it. Throws `invalid`: `target-missing`, `target-several`,
 * `target-unknown`, `target-needs-certificate`, `scope-missing`, `scope-malformed`, `scope-unknown`.
 */
export function readWish(
  form: Form,
  resources: ReadonlyMap<string, Resource>,
  { certificate }: Pick<Client, 'certificate'>,
): Wish {
  const id = form.get('resource') ?? form.get('audience')
  if (form.has('audience') && form.get('audience') !== id) {
    return refuse('target-several', 'a token is for one resource')
  }
  if (id === undefined) return refuse('target-missing', 'a resource has to be named')
  const resource = resources.get(id)
  if (resource === undefined) return refuse('target-unknown', 'there is no such resource')
  if (resource.requireCnf && certificate === undefined) {
    return refuse(
      'target-needs-certificate',
      'the tokens of this resource are bound: come with an X.509-SVID in TLS',
    )
  }
  const asked = form.get('scope')
  if (asked === undefined) return refuse('scope-missing', 'a scope has to be named')
  const words = new Set(asked.split(' '))
  if (words.has('')) return refuse('scope-malformed', 'scopes have one blank between them')
  // In the resource's own order and strings: whoever remembers them keeps no request alive by that.
  const scopes = resource.scopes.filter((scope) => words.has(scope))
  if (scopes.length < words.size) return refuse('scope-unknown', 'the resource has no such scope')
  return { resource, scopes }
}

/** Which policies have said yes, of which set, and whether that was remembered of another time. */
export interface DecidedBy {
  readonly policies: readonly string[]
  readonly revision: string
  readonly cached: boolean
}

/**
 * The policy's word on it: an ID that several entries carry gets what every one of them may have. Throws
 * `forbidden` `policy-…`.
 */
export function decideAll(
  entries: readonly Entry[],
  policies: Pick<Policies, 'decide' | 'revision'>,
  questionOf: (entry: Entry) => IssueQuestion | ExchangeQuestion,
): DecidedBy {
  const decidedBy = new Set<string>()
  let cached = true
  for (const entry of entries) {
    const question = questionOf(entry)
    const decision = policies.decide(question)
    if (!decision.allowed) {
      // Whoever would be let in with no scope at all has asked for one too many (RFC 6749 §5.2, RFC 8707 §2).
      const { allowed } = policies.decide({ ...question, scopes: [] })
      throw new PolicyRefusal(allowed ? 'scope' : 'target', decision, policies.revision)
    }
    for (const policy of decision.policies) decidedBy.add(policy)
    cached &&= decision.cached === true
  }
  return { policies: [...decidedBy].sort(), revision: policies.revision, cached }
}

/** What a token says beside whom, what for and how long (RFC 9068 §2.2, RFC 8705 §3.1, RFC 8693 §4). */
export function claimsOf(
  issuer: string,
  token: {
    readonly client: Pick<Client, 'spiffeId' | 'certificate'>
    readonly entry: Pick<Entry, 'id' | 'owner' | 'purpose'>
    readonly scopes: readonly string[]
    readonly txn: string
    readonly actors: readonly string[]
    readonly mayAct: unknown
  },
): AccessTokenRequest['claims'] {
  const { client, entry, scopes, txn, actors, mayAct } = token
  const { spiffeId, certificate } = client
  return {
    iss: issuer,
    client_id: spiffeId satisfies SpiffeId,
    txn,
    scope: scopes.join(' '),
    entry_id: entry.id,
    owner: entry.owner === '' ? undefined : entry.owner,
    purpose: entry.purpose === '' ? undefined : entry.purpose,
    cnf: certificate && { 'x5t#S256': certificate.thumbprint },
    act: nestedActors(actors),
    may_act: mayAct,
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}
