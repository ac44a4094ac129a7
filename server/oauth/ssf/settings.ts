import { z } from 'zod'
import { CountersignError } from '../../../src/errors.ts'
import { parseEndpointUrl } from '../../../src/federation/endpoint-url.ts'
import { parsedBy, path } from '../../../src/runtime/config-value.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { network, port, type Reach } from '../reach-settings.ts'
import { type EventName, eventNames } from './caep.ts'

/** Events for one receiver that knows nothing of the feed. */
export interface EventStream {
  /** `stream_id`. */
  readonly id: string
  /** `aud` of its tokens; and of the access tokens by which they are fetched. */
  readonly audience: string
  /** Who may fetch them by an SVID. */
  readonly receivers: ReadonlySet<SpiffeId>
  readonly events: ReadonlySet<EventName>
  /** With one of these, only what is about them is told; undefined: all. A `/*` at the end takes all below. */
  readonly subjects: readonly string[] | undefined
  /** undefined: they are fetched (RFC 8936). */
  readonly push: PushSettings | undefined
}

/** Where they are sent (RFC 8935). */
export interface PushSettings {
  readonly endpoint: string
  /** The file of the whole `Authorization` header. */
  readonly authorizationFile: string | undefined
  readonly reach: Reach
}

const subject = z
  .string()
  .max(2048)
  .regex(/^spiffe:\/\/[^*]+(\/\*)?$/, 'a SPIFFE ID, or …/*')

/** As an operator writes it. */
export const ssfSchema: z.ZodType<SsfFile> = z.strictObject({
  streams: z
    .array(
      z.strictObject({
        id: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, 'a word of a-z, 0-9 and -'),
        audience: z.string().min(1).max(2048),
        delivery: z.enum(['poll', 'push']),
        receivers: z.array(parsedBy(SpiffeId.parse)).max(64).optional(),
        events: z.array(z.enum(eventNames)).min(1).max(eventNames.length).optional(),
        subjects: z.array(subject).min(1).max(256).optional(),
        endpoint: parsedBy((text) => {
          parseEndpointUrl(text)
          return text
        }).optional(),
        authorization_file: path.optional(),
        web_ca: path.optional(),
        allowed_networks: z.array(network).max(256).optional(),
        allowed_ports: z.array(port).min(1).max(64).optional(),
      }),
    )
    .min(1)
    .max(16),
}) as z.ZodType<SsfFile>

export interface SsfFile {
  readonly streams: readonly StreamFile[]
}

interface StreamFile {
  readonly id: string
  readonly audience: string
  readonly delivery: 'poll' | 'push'
  readonly receivers?: readonly SpiffeId[] | undefined
  readonly events?: readonly EventName[] | undefined
  readonly subjects?: readonly string[] | undefined
  readonly endpoint?: string | undefined
  readonly authorization_file?: string | undefined
  readonly web_ca?: string | undefined
  readonly allowed_networks?: readonly string[] | undefined
  readonly allowed_ports?: readonly number[] | undefined
}

/** The scope of an access token by which events are fetched. */
export const readScope = 'ssf.read'

/** By id. `resources`: for whom access tokens are issued here. Throws `invalid` `config-oauth-ssf`. */
export function readSsf(
  said: SsfFile | undefined,
  resources: ReadonlyMap<string, { readonly scopes: readonly string[] }>,
): ReadonlyMap<string, EventStream> {
  const streams = new Map<string, EventStream>()
  for (const file of said?.streams ?? []) {
    if (streams.has(file.id)) refuse(file.id, 'it is there twice', 'name each stream once')
    const hasToken = resources.get(file.audience)?.scopes.includes(readScope) === true
    if (file.delivery === 'poll' && file.receivers === undefined && !hasToken) {
      refuse(
        file.id,
        'nobody may fetch it',
        `name receivers, or make its audience a resource with the scope ${readScope}`,
      )
    }
    streams.set(file.id, {
      ...{ id: file.id, audience: file.audience, subjects: file.subjects },
      receivers: new Set(file.receivers),
      events: new Set(file.events ?? eventNames),
      push: pushOf(file),
    })
  }
  return streams
}

function pushOf(file: StreamFile): PushSettings | undefined {
  const { id, delivery, endpoint, authorization_file, web_ca } = file
  const { allowed_networks, allowed_ports } = file
  if (delivery === 'push') {
    if (endpoint === undefined) return refuse(id, 'endpoint is missing', 'say where to push to')
    return {
      ...{ endpoint, authorizationFile: authorization_file },
      reach: {
        webCa: web_ca,
        allowedNetworks: allowed_networks ?? [],
        allowedPorts: allowed_ports,
      },
    }
  }
  const [extra] = Object.entries({
    ...{ endpoint, authorization_file, web_ca, allowed_networks, allowed_ports },
  }).find(([, value]) => value !== undefined) ?? [undefined]
  if (extra !== undefined) refuse(id, `${extra} is for push`, 'leave it out, or set delivery: push')
  return undefined
}

function refuse(id: string, message: string, fix: string): never {
  throw new CountersignError('invalid', `oauth.ssf, stream ${id}: ${message}`, {
    reason: 'config-oauth-ssf',
    fix,
  })
}
