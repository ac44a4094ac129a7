import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { AccessTokenRequest } from '../ca/issue-access-token.ts'
import type { Policies } from '../policy/policies.ts'
import type { Form } from './form.ts'
import { PolicyRefusal } from './policy-refusal.ts'
import type { Resource } from './settings.ts'
import type { Client } from './spiffe-client-auth.ts'

/** What a client asks for, once it is known to be possible. */
export interface Wish {
  readonly resource: Resource
  readonly scopes: readonly string[]
}

/** Throws `invalid`: `request-grant-missing`, `grant-unsupported`. */
export function checkGrant(form: Form): void {
  const grant = form.get('grant_type')
  if (grant === undefined) refuse('request-grant-missing', 'grant_type is missing')
  if (grant !== 'client_credentials') {
    refuse('grant-unsupported', 'the one grant is client_credentials')
  }
}

/**
 * One resource (RFC 8707 §2), and scopes that are registered with it. Throws `invalid`: `target-missing`,
 * `target-unknown`, `target-needs-certificate`, `scope-missing`, `scope-malformed`, `scope-unknown`.
 */
export function readWish(
  form: Form,
  resources: ReadonlyMap<string, Resource>,
  { certificate }: Pick<Client, 'certificate'>,
): Wish {
  const id = form.get('resource')
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
  const scopes = [...new Set(asked.split(' '))]
  if (scopes.includes('')) return refuse('scope-malformed', 'scopes have one blank between them')
  if (!scopes.every((scope) => resource.scopes.includes(scope))) {
    return refuse('scope-unknown', 'the resource has no such scope')
  }
  return { resource, scopes }
}

/**
 * The policy's word on it: an ID that several entries carry gets what every one of them may have. Throws
 * `forbidden` `policy-…`.
 */
export function decideAll(
  entries: readonly Entry[],
  { resource, scopes }: Wish,
  { method }: Pick<Client, 'method'>,
  address: string,
  policies: Pick<Policies, 'decide' | 'revision'>,
): readonly string[] {
  const decidedBy = new Set<string>()
  for (const entry of entries) {
    const decision = policies.decide({
      action: 'issueToken',
      entry,
      resource,
      scopes,
      ttlSeconds: resource.maxTtlSeconds,
      auth: method,
      address,
    })
    if (!decision.allowed) throw new PolicyRefusal(decision, policies.revision)
    for (const policy of decision.policies) decidedBy.add(policy)
  }
  return [...decidedBy].sort()
}

/** What a token says beside whom, what for and how long (RFC 9068 §2.2, RFC 8705 §3.1). */
export function claimsOf(
  issuer: string,
  token: {
    readonly client: Pick<Client, 'spiffeId' | 'certificate'>
    readonly entry: Pick<Entry, 'id' | 'owner' | 'purpose'>
    readonly scope: string
    /** Common to a token and to all that is exchanged for it. */
    readonly txn: string
  },
): AccessTokenRequest['claims'] {
  const { client, entry, scope, txn } = token
  const { spiffeId, certificate } = client
  return {
    iss: issuer,
    client_id: spiffeId satisfies SpiffeId,
    txn,
    scope,
    entry_id: entry.id,
    ...(entry.owner !== '' && { owner: entry.owner }),
    ...(entry.purpose !== '' && { purpose: entry.purpose }),
    ...(certificate !== undefined && { cnf: { 'x5t#S256': certificate.thumbprint } }),
  }
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}
