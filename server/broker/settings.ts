import { CountersignError } from '../../src/errors.ts'
import type { InjectFile, IntegrationFile, SecretFile } from './integration-file.ts'
import { isForKey, isForwardable } from './vendor/request-headers.ts'

/** Where a vendor wants its key. */
export type Injection =
  | { readonly kind: 'header'; readonly name: string; readonly prefix: string }
  | { readonly kind: 'query'; readonly name: string }
  | { readonly kind: 'basic'; readonly user: string }

/** Where a secret comes from; never a flag, and never the config file itself. */
export type SecretSource =
  | { readonly from: 'file'; readonly path: string }
  | { readonly from: 'env'; readonly name: string }
  | { readonly from: 'sealed'; readonly path: string }

/** One vendor's API, with the one key that is used there and nowhere else. */
export interface Integration {
  readonly id: string
  /** The sole `aud` of tokens for it: the URL at which callers reach it. */
  readonly audience: string
  readonly owner: string
  /** The vendor's origin; nothing is sent anywhere else. */
  readonly upstream: URL
  /** CA certificates, PEM file, in place of those that Node knows. */
  readonly ca: string | undefined
  /** Networks to which it may be connected to although they are not public. */
  readonly networks: readonly string[]
  readonly secret: SecretSource
  readonly inject: Injection
  readonly methods: ReadonlySet<string>
  readonly paths: readonly string[]
  /** Names that a query may have, as they are once decoded; undefined: any. */
  readonly parameters: ReadonlySet<string> | undefined
  /** Headers of the caller that reach the vendor besides the usual ones, lower case. */
  readonly requestHeaders: ReadonlySet<string>
  /** Calls of each caller, and of all together. */
  readonly rate: { readonly caller: Rate; readonly all: Rate }
  readonly maxAgeSeconds: number | undefined
  /** When the vendor issued the secret, where that was before the broker first saw it. */
  readonly issuedAt: Date | undefined
  /** Whether an X.509-SVID without a token is enough. */
  readonly svidAlone: boolean
  /** Whether a token has to be bound to the certificate of its caller. */
  readonly requireBound: boolean
  readonly disabled: boolean
  /** Opens it again after a revocation before this instant has shut it. */
  readonly reopenedAt: Date | undefined
  readonly limits: Limits
}

export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

export interface Limits {
  readonly requestBytes: number
  readonly responseBytes: number
  /** Until the vendor's answer begins, and at most between two pieces of either body. */
  readonly timeoutMs: number
  /** Of the whole call. */
  readonly durationMs: number
  /** Calls under way at a time. */
  readonly calls: number
}

/** Throws `invalid`: `config-broker`. */
export function readIntegration(said: IntegrationFile, origin: string): Integration {
  const { id } = said
  const inject = readInjection(said.inject)
  if (inject.kind === 'header' && !isForKey(inject.name.toLowerCase())) {
    refuse(`integration ${id}: ${inject.name} is no header for a key`, 'name the vendor’s own')
  }
  const requestHeaders = (said.request_headers ?? []).map((name) => name.toLowerCase())
  for (const name of requestHeaders) {
    if (!isForwardable(name) || (inject.kind === 'header' && inject.name.toLowerCase() === name)) {
      refuse(
        `integration ${id}: the header ${name} of a caller never reaches a vendor`,
        'take it out of request_headers: it may hold a credential, or say how the message is read',
      )
    }
  }
  const perCaller = said.rate ?? { perSecond: 10, burst: 20 }
  return {
    id,
    audience: `${origin}/${id}`,
    owner: said.owner,
    upstream: readUpstream(said.upstream, id),
    ca: said.ca,
    networks: said.networks ?? [],
    secret: readSource(said.secret),
    inject,
    methods: new Set(said.methods),
    paths: said.paths,
    parameters: said.parameters && new Set(said.parameters),
    requestHeaders: new Set(requestHeaders),
    rate: { caller: perCaller, all: said.rate_all ?? { perSecond: 1000, burst: 2000 } },
    maxAgeSeconds: said.max_age,
    issuedAt: said.issued === undefined ? undefined : new Date(`${said.issued}T00:00:00Z`),
    svidAlone: said.svid_alone ?? false,
    requireBound: said.require_bound ?? false,
    disabled: said.disabled ?? false,
    reopenedAt: said.reopened === undefined ? undefined : new Date(said.reopened),
    limits: {
      requestBytes: said.max_request_bytes ?? 10 << 20,
      responseBytes: said.max_response_bytes ?? 100 << 20,
      timeoutMs: (said.timeout ?? 30) * 1000,
      durationMs: (said.max_duration ?? 600) * 1000,
      calls: said.max_calls ?? 64,
    },
  }
}

function readUpstream(text: string, id: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol === 'https:' && (text === url.origin || text === `${url.origin}/`)) return url
  // The text is not repeated: user info may be a secret.
  return refuse(
    `integration ${id}: upstream is not the https URL of a host alone`,
    'write it as https://api.vendor.example, and name the paths in paths',
  )
}

function readInjection(said: InjectFile): Injection {
  if ('header' in said) return { kind: 'header', name: said.header, prefix: said.prefix ?? '' }
  if ('query' in said) return { kind: 'query', name: said.query }
  return { kind: 'basic', user: said.basic }
}

function readSource(said: SecretFile): SecretSource {
  if ('file' in said) return { from: 'file', path: said.file }
  if ('env' in said) return { from: 'env', name: said.env }
  return { from: 'sealed', path: said.sealed }
}

function refuse(message: string, fix: string): never {
  throw new CountersignError('invalid', message, { reason: 'config-broker', fix })
}
