import type { AuditActor, AuditEvent } from '../../src/audit/event.ts'
import type { BundleLookup } from '../../src/bundle/bundle.ts'
import type { Entry } from '../../src/entry/entry.ts'
import { asCountersignError, CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import { createMeetingPoint } from '../../src/runtime/meeting-point.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { shareOf } from '../access/caller.ts'
import type { RateLimiter } from '../access/limits.ts'
import type { Revocations } from '../revocation/revocations.ts'
import { checkSvid } from '../revocation/svid-status.ts'
import { type OauthAnswer, refusalOf } from './answer.ts'
import { claimedClient } from './claimed-client.ts'
import { refusedRecord, SubjectRefusal, subjectRecord } from './federated/subject-refusal.ts'
import { type Form, readForm } from './form.ts'
import { PolicyRefusal } from './policy-refusal.ts'
import type { RefusalRecord } from './refusals.ts'
import { type UseOnce, useUpAssertion } from './single-use.ts'
import {
  authenticateClient,
  type Client,
  type ClientAuthDeps,
  type ClientProof,
} from './spiffe-client-auth.ts'

/** A request as it came, whatever has served it. */
export interface OauthRequest {
  /** `application/x-www-form-urlencoded`, bounded. */
  readonly body: string
  readonly authorization: string | undefined
  /** The `Accept` header. */
  readonly accept?: string | undefined
  /** What the client presented in TLS, DER, leaf first; `[]` where nothing. */
  readonly chain: readonly Buffer[]
  /** `host:port` of the client. */
  readonly address: string
  /** `traceparent` (W3C Trace Context) as it came. */
  readonly trace?: string | undefined
}

/** Where a request came from. */
type Origin = Pick<OauthRequest, 'address' | 'trace'>

/** A request of a client that has proved itself and is registered. */
export interface ClientRequest extends Pick<OauthRequest, 'accept' | 'address' | 'trace'> {
  readonly form: Form
  readonly client: Client
  /** Who has asked for the client, and proved itself in its place: for the record. */
  readonly edge?: { readonly id: SpiffeId; readonly address: string }
  /** All entries that carry its ID, by their ids; at least one. */
  readonly entries: readonly [Entry, ...Entry[]]
  readonly known: Known
}

/** What has come to light of a request: where it is refused, that goes on record. */
interface Known {
  client?: Client
  form?: Form
  entries?: readonly Entry[]
  /** The IP address of whoever the client, an edge, speaks for. */
  clientAddress?: string
  /** For whom it is, where the client speaks for somebody else. */
  forWhom?: Pick<
    AuditEvent,
    | 'spiffeId'
    | 'actors'
    | 'transaction'
    | 'jti'
    | 'parentJti'
    | 'audience'
    | 'scope'
    | 'entryId'
    | 'owner'
    | 'purpose'
  >
}

/** What clients alone may ask of the server. Nothing here throws. */
export interface ClientDoor {
  answer(request: OauthRequest): Promise<OauthAnswer>
  /** A request that could not be read as one. */
  refuse(request: Origin, error: CountersignError): Promise<OauthAnswer>
}

export interface ClientDoorDeps {
  readonly settings: { readonly issuer: string }
  readonly bundles: BundleLookup
  readonly issuedAtOf: ClientAuthDeps['issuedAtOf']
  readonly revocations: Pick<Revocations, 'find'>
  /** The entries of this ID that are valid now, one more than are looked at at most. */
  readonly entriesOf: (id: SpiffeId) => readonly Entry[]
  /** Those that are disabled, as far as they are looked at. */
  readonly disabledOf: (id: SpiffeId) => readonly Entry[]
  /** Resolves where what was revoked, and who is registered, is known up to now; rejects as that of `Changes`. */
  readonly upToDate: () => Promise<void>
  readonly useOnce: UseOnce
  readonly refusals: RefusalRecord
  /** By address, before a request is looked at, and by client. */
  readonly calls: Pick<RateLimiter, 'take'>
  readonly clock: Clock
  readonly log: Log
}

/** Finds out who a client is, by what it shows; a `Client` is one that has proved it. */
export type ClientAuthenticator = (proof: ClientProof, deps: ClientAuthDeps) => Promise<Client>

/** What has come in one turn is read whole before any of it is looked at. */
const othersToAnswer = createMeetingPoint()

/** More entries of one ID than this are refused: each would be asked about. */
export const maxEntries = 16

/**
 * A door that has every client prove itself, by an SVID unless `authenticate` knows better, and puts each refusal on record. `door` is its name
 * in the record. What `answer` throws is what the client is told, by `refusalOf`.
 */
export function createClientDoor(
  door: 'token' | 'introspect' | 'revoke' | 'feed' | 'events' | 'legacy',
  deps: ClientDoorDeps,
  answer: (request: ClientRequest) => Promise<OauthAnswer>,
  authenticate: ClientAuthenticator = authenticateClient,
): ClientDoor {
  const refused = async (request: Origin, known: Known, error: unknown): Promise<OauthAnswer> => {
    const refusal = asCountersignError(error)
    if (known.client !== undefined && refusal.reason === 'entry-disabled') {
      known.entries = deps.disabledOf(known.client.spiffeId)
    }
    if (refusal.code === 'internal' || refusal.reason === 'policy-error') {
      deps.log.error('a token request failed', { door, error })
    }
    try {
      const event = denial(door, request, known, refusal, deps.clock.now())
      await deps.refusals.note(event)
    } catch (unrecorded) {
      return refusalOf(asCountersignError(unrecorded))
    }
    return refusalOf(refusal, known.form)
  }
  return {
    async answer(request) {
      const known: Known = {}
      await othersToAnswer()
      try {
        return await answer(await admit(request, known, deps, authenticate))
      } catch (error) {
        return refused(request, known, error)
      }
    },
    refuse: (request, error) => refused(request, {}, error),
  }
}

/** Who is it, and is it registered. */
async function admit(
  request: OauthRequest,
  known: Known,
  deps: ClientDoorDeps,
  authenticate: ClientAuthenticator,
): Promise<ClientRequest> {
  const { accept, address, trace, authorization, chain } = request
  deps.calls.take(shareOf(address))
  const form = readForm(request.body)
  known.form = form
  const client = await authenticate({ form, authorization, chain }, authOf(deps))
  known.client = client
  deps.calls.take(client.spiffeId)
  await deps.upToDate()
  const entries = checkStanding(client, deps)
  known.entries = entries
  await useUpAssertion(client, entries, deps.useOnce)
  return { accept, address, trace, form, client, entries, known }
}

/** By what a proof is judged in this moment. */
export function authOf({
  bundles,
  issuedAtOf,
  settings,
  clock,
}: Pick<ClientDoorDeps, 'bundles' | 'issuedAtOf' | 'settings' | 'clock'>): ClientAuthDeps {
  return { issuer: settings.issuer, bundles, issuedAtOf, now: clock.now() }
}

/**
 * The entries of a client that has proved itself, in this moment. Throws `unauthenticated`: `client-unknown`,
 * `entry-disabled`, `svid-revoked`.
 */
export function checkStanding(
  client: Pick<Client, 'spiffeId' | 'issuedAt'>,
  deps: Pick<ClientDoorDeps, 'entriesOf' | 'disabledOf' | 'revocations'>,
): ClientRequest['entries'] {
  const entries = deps.entriesOf(client.spiffeId)
  const disabled = deps.disabledOf(client.spiffeId)
  if (entries.length === 0 && disabled.length > 0) throw disabledEntry()
  if (!isSome(entries) || entries.length > maxEntries) {
    throw new CountersignError('unauthenticated', 'the client is not registered', {
      reason: 'client-unknown',
    })
  }
  // What a disabled one has ended is ended for the others of its ID too: nobody can tell by which entry an SVID was issued.
  checkSvid(deps.revocations, client, disabled.length === 0 ? entries : [...entries, ...disabled])
  return entries
}

/** What is refused because an operator has disabled the entry. */
export function disabledEntry(): CountersignError {
  return new CountersignError('unauthenticated', 'the entry of the client is disabled', {
    reason: 'entry-disabled',
    fix: 'see why with "countersign audit search --entry ID", and "countersign entry enable" it',
  })
}

function isSome(entries: readonly Entry[]): entries is ClientRequest['entries'] {
  return entries.length > 0
}

function denial(
  door: string,
  request: Origin,
  { client, form, entries = [], forWhom, clientAddress }: Known,
  error: CountersignError,
  time: Date,
): AuditEvent {
  const said = (name: string): string | undefined => form?.get(name)?.slice(0, 2048)
  // RFC 8693 §2.1 has another word for it.
  const resource = said('resource') ?? said('audience')
  const scope = said('scope')
  const claimed = client === undefined ? claimedClient(form) : undefined
  const foreign =
    error instanceof SubjectRefusal
      ? refusedRecord(error)
      : client?.federated && subjectRecord(client.federated.token)
  // Of several nobody can say whose it would have been.
  const [entry] = entries.length === 1 ? entries : []
  return {
    kind: door === 'revoke' ? 'revocation.denied' : 'token.denied',
    time,
    actor: { ...actorOf(request.address, client), entryId: entry?.id, owner: entry?.owner },
    spiffeId: client?.spiffeId,
    ...{ entryId: entry?.id, owner: entry?.owner, purpose: entry?.purpose },
    grant: said('grant_type'),
    audience: resource === undefined ? undefined : [resource],
    scope: scope?.split(' '),
    decision: 'deny',
    reason: error.reason,
    policies: error instanceof PolicyRefusal ? error.policies : undefined,
    policyRevision: error instanceof PolicyRefusal ? error.revision : undefined,
    trace: request.trace,
    ...forWhom,
    ...foreign,
    details: {
      door,
      ...(claimed !== undefined && { unprovedClient: claimed }),
      ...(clientAddress !== undefined && { clientAddress }),
      ...foreign?.details,
    },
  }
}

export function actorOf(address: string, client: Client | undefined): AuditActor {
  return client === undefined
    ? { kind: 'node', address }
    : {
        kind: 'workload',
        id: client.spiffeId,
        auth: client.method,
        address,
        serial: client.certificate?.serial,
        thumbprint: client.certificate?.thumbprint,
      }
}
