import { randomUUID } from 'node:crypto'
import type { AuditActor, AuditEvent } from '../../src/audit/event.ts'
import type { BundleLookup } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { asCountersignError, type CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { RateLimiter } from '../access/limits.ts'
import type { Ca } from '../ca/ca.ts'
import { keySetDocument } from '../documents/key-set.ts'
import type { Policies } from '../policy/policies.ts'
import { answerOf, type OauthAnswer, refusalOf } from './answer.ts'
import { metadataDocument } from './documents.ts'
import { type Form, readForm } from './form.ts'
import { type RefusalRecord, shareOf } from './refusals.ts'
import type { OauthSettings } from './settings.ts'
import { authenticateClient, type Client } from './spiffe-client-auth.ts'
import { checkGrant, claimsOf, decideAll, PolicyRefusal, readWish } from './token.ts'

/** A request as it came, whatever has served it. */
export interface OauthRequest {
  /** `application/x-www-form-urlencoded`, bounded. */
  readonly body: string
  readonly authorization: string | undefined
  /** What the client presented in TLS, DER, leaf first; `[]` where nothing. */
  readonly chain: readonly Buffer[]
  /** `host:port` of the client. */
  readonly address: string
}

/** The authorization server without its HTTP. Nothing here throws. */
export interface AuthorizationServer {
  token(request: OauthRequest): Promise<OauthAnswer>
  /** A request that could not be read as one. */
  refuse(request: Pick<OauthRequest, 'address'>, error: CountersignError): Promise<OauthAnswer>
  /** RFC 8414, JSON. */
  metadata(): string
  /** The keys of access tokens, JSON. */
  keys(): string
}

export interface OauthDeps {
  readonly settings: OauthSettings
  readonly ca: Pick<Ca, 'issueAccessToken' | 'state'>
  readonly bundles: BundleLookup
  /** The entries of this ID that are valid now, one more than are looked at at most. */
  readonly entriesOf: (id: SpiffeId) => readonly Entry[]
  readonly policies: Pick<Policies, 'decide' | 'revision'>
  readonly refusals: RefusalRecord
  /** By address, before a request is looked at, and by client. */
  readonly calls: Pick<RateLimiter, 'take'>
  readonly clock: Clock
  readonly log: Log
}

/** How far a request came before it was refused. */
interface Progress {
  client?: Client
  form?: Form
}

export function createAuthorizationServer(deps: OauthDeps): AuthorizationServer {
  const { settings, ca } = deps
  const scopes = [...new Set([...settings.resources.values()].flatMap((one) => one.scopes))].sort()
  const metadata = metadataDocument(settings.issuer, scopes)

  const refused = async (
    request: Pick<OauthRequest, 'address'>,
    progress: Progress,
    error: unknown,
  ): Promise<OauthAnswer> => {
    const refusal = asCountersignError(error)
    if (refusal.code === 'internal' || refusal.reason === 'policy-error') {
      deps.log.error('a token request failed', { error })
    }
    try {
      await deps.refusals.note(denial(request, progress, refusal, deps.clock.now()))
    } catch (unrecorded) {
      return refusalOf(asCountersignError(unrecorded))
    }
    return refusalOf(refusal)
  }
  return {
    metadata: () => metadata,
    keys() {
      const { active, prepared, old } = ca.state('oauth')
      const keys = [prepared, active, ...old].flatMap((one) => one ?? [])
      return keySetDocument(keys.map(({ id, publicKey }) => ({ keyId: id, publicKey })))
    },
    async token(request) {
      const progress: Progress = {}
      try {
        return await issue(request, progress, deps)
      } catch (error) {
        return refused(request, progress, error)
      }
    },
    refuse: (request, error) => refused(request, {}, error),
  }
}

/** Who is it, what is it after, may it: then the token, which is on record before it leaves. */
async function issue(
  request: OauthRequest,
  progress: Progress,
  deps: OauthDeps,
): Promise<OauthAnswer> {
  const { settings, ca, policies, clock } = deps
  const { issuer, resources } = settings
  deps.calls.take(shareOf(request.address))
  const form = readForm(request.body)
  progress.form = form
  const auth = { issuer, bundles: deps.bundles, now: clock.now() }
  const client = await authenticateClient({ ...request, form }, auth)
  progress.client = client
  deps.calls.take(client.spiffeId)
  checkGrant(form)
  const wish = readWish(form, resources)
  const entries = deps.entriesOf(client.spiffeId)
  const decidedBy = decideAll(entries, wish, client, policies.decide)
  const scope = wish.scopes.join(' ')
  const { token, issuedAt, expiresAt } = await ca.issueAccessToken({
    spiffeId: client.spiffeId,
    audience: wish.resource.id,
    jti: randomUUID(),
    ttlSeconds: wish.resource.maxTtlSeconds,
    notAfter: client.expiresAt,
    claims: claimsOf(issuer, client, wish.scopes),
    audit: {
      actor: actorOf(request, client),
      entryId: entries[0]?.id,
      owner: entries[0]?.owner,
      purpose: entries[0]?.purpose,
      details: {
        scope,
        auth: client.method,
        policies: decidedBy.join(' '),
        policyRevision: policies.revision,
      },
    },
  })
  return answerOf({
    access_token: token,
    token_type: 'Bearer',
    expires_in: (expiresAt.getTime() - issuedAt.getTime()) / 1000,
    scope,
  })
}

function denial(
  request: Pick<OauthRequest, 'address'>,
  { client, form }: Progress,
  error: CountersignError,
  time: Date,
): AuditEvent {
  const said = (name: string): string | undefined => form?.get(name)?.slice(0, 2048)
  const resource = said('resource')
  const scope = said('scope')
  return {
    kind: 'token.denied',
    time,
    actor: actorOf(request, client),
    spiffeId: client?.spiffeId,
    audience: resource === undefined ? undefined : [resource],
    decision: 'deny',
    reason: error.reason,
    details: {
      ...(scope !== undefined && { scope }),
      ...(client !== undefined && { auth: client.method }),
      ...(error instanceof PolicyRefusal && { policies: error.policies.join(' ') }),
    },
  }
}

function actorOf(
  { address }: Pick<OauthRequest, 'address'>,
  client: Client | undefined,
): AuditActor {
  return client === undefined
    ? { kind: 'node', address }
    : { kind: 'workload', id: client.spiffeId, address, serial: client.certificate?.serial }
}
