import { eventType } from './caep.ts'
import { pollMethod } from './poll.ts'
import { pushMethod } from './push.ts'
import type { EventStream } from './settings.ts'

/*
 * OpenID Shared Signals Framework 1.0: what a transmitter says of itself and of its streams. All that is of it stands in
 * this file. Streams are the operator's: none is made, changed or deleted by a receiver.
 */

/** Below the issuer. */
export const ssfPaths = {
  metadata: '/.well-known/ssf-configuration',
  keys: '/oauth/ssf/keys',
  streams: '/oauth/ssf/streams',
  status: '/oauth/ssf/status',
  verification: '/oauth/ssf/verify',
  /** And the id of the stream. */
  poll: '/oauth/ssf/poll/',
} as const

/** A receiver asks for a verification event no more often. */
export const verificationSeconds = 10

/** §7.1. JSON. */
export function transmitterDocument(issuer: string): string {
  return JSON.stringify({
    spec_version: '1_0',
    issuer,
    jwks_uri: `${issuer}${ssfPaths.keys}`,
    delivery_methods_supported: [pushMethod, pollMethod],
    configuration_endpoint: `${issuer}${ssfPaths.streams}`,
    status_endpoint: `${issuer}${ssfPaths.status}`,
    verification_endpoint: `${issuer}${ssfPaths.verification}`,
    // An access token, or a certificate in TLS.
    authorization_schemes: [{ spec_urn: 'urn:ietf:rfc:6749' }, { spec_urn: 'urn:ietf:rfc:8705' }],
    default_subjects: 'ALL',
  })
}

/** §8.1.1. */
export function streamDocument(
  issuer: string,
  { id, audience, events, push }: EventStream,
): Readonly<Record<string, unknown>> {
  const told = [...events].map(eventType)
  return {
    stream_id: id,
    iss: issuer,
    aud: audience,
    events_supported: told,
    events_requested: told,
    events_delivered: told,
    delivery:
      push === undefined
        ? { method: pollMethod, endpoint_url: `${issuer}${ssfPaths.poll}${id}` }
        : { method: pushMethod, endpoint_url: push.endpoint },
    min_verification_interval: verificationSeconds,
  }
}

/** §8.1.2: a stream of the configuration is on. */
export function statusDocument({ id }: EventStream): Readonly<Record<string, unknown>> {
  return { stream_id: id, status: 'enabled' }
}

/** §8.1.4.1: what a verification event says. */
export function verificationBody(
  { id }: EventStream,
  state: string | undefined,
): Readonly<Record<string, unknown>> {
  const event = state === undefined ? {} : { state }
  return {
    sub_id: { format: 'opaque', id },
    events: { 'https://schemas.openid.net/secevent/ssf/event-type/verification': event },
  }
}
