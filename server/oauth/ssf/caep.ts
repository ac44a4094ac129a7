import type { Fact } from '../../../src/revocation/fact.ts'

/*
 * CAEP 1.0 and RFC 9493: what revocations are called outside. All that is of these stands in this file.
 */

export const eventNames = ['session-revoked', 'credential-change'] as const

export type EventName = (typeof eventNames)[number]

/** The URI of an event of CAEP. */
export function eventType(name: EventName): string {
  return `https://schemas.openid.net/secevent/caep/event-type/${name}`
}

/** RFC 9493, and SSF 1.0 §3 for `jwt_id` and `complex`. */
export interface SubjectId {
  readonly format: 'uri' | 'opaque' | 'jwt_id' | 'complex'
  readonly [member: string]: unknown
}

/** What one token says of one event. */
export interface CaepEvent {
  readonly name: EventName
  readonly subject: SubjectId
  readonly event: Readonly<Record<string, unknown>>
}

/** `issuer`: whose tokens they are; `at`: seconds since 1970. */
export interface Telling {
  readonly issuer: string
  readonly at: number
}

/** The events that a fact is; each is a token of its own. */
export function eventsOfFact(
  { kind, id }: Pick<Fact, 'kind' | 'id'>,
  { issuer, at }: Telling,
): readonly CaepEvent[] {
  const reason = (en: string) => ({
    ...{ event_timestamp: at, initiating_entity: 'system' },
    reason_admin: { en },
  })
  const ended = (subject: SubjectId, why: string): CaepEvent => ({
    ...{ name: 'session-revoked', subject, event: reason(why) },
  })
  const revoked = (subject: SubjectId, credential: string, why: string): CaepEvent => ({
    ...{ name: 'credential-change', subject },
    event: { ...reason(why), credential_type: credential, change_type: 'revoke' },
  })
  switch (kind) {
    case 'token':
      return [ended({ format: 'jwt_id', iss: issuer, jti: id }, 'an access token was revoked')]
    case 'transaction':
      return [ended(opaque(id), 'an access token and all that was exchanged for it were revoked')]
    case 'spiffe-id':
    case 'node':
      return [
        ended(uri(id), 'all tokens of this workload or node were revoked'),
        revoked(uri(id), 'x509', 'what this workload or node was issued was revoked'),
      ]
    case 'entry':
      return [ended(opaque(id), 'all tokens by this entry were revoked')]
    case 'owner':
      return [ended(complex('group', opaque(id)), 'all tokens of this owner were revoked')]
    case 'audience':
    case 'integration':
      return [
        ended(
          // An operator may call a resource by a word.
          complex('application', URL.canParse(id) ? uri(id) : opaque(id)),
          'all tokens for this resource were revoked',
        ),
      ]
    case 'trust-domain':
      return [
        revoked(complex('tenant', uri(`spiffe://${id}`)), 'x509', 'the trust domain was revoked'),
      ]
    case 'key':
      return [revoked(opaque(id), 'jwk', 'the key with this id was revoked')]
  }
}

function uri(id: string): SubjectId {
  return { format: 'uri', uri: id }
}

function opaque(id: string): SubjectId {
  return { format: 'opaque', id }
}

function complex(member: 'group' | 'application' | 'tenant', subject: SubjectId): SubjectId {
  return { format: 'complex', [member]: subject }
}
