import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { CountersignError } from '../errors.ts'
import { parseOwner } from '../files/owner.ts'
import {
  endpointsOf,
  holdsCertificates,
  type IssuerEndpoints,
  isHttps,
} from '../oauth-client/endpoints.ts'
import { isPathPattern } from '../request-target/path-pattern.ts'
import { isScope, opensNothing } from '../resource-server/access-check.ts'
import { readConfigFile } from '../runtime/config-file.ts'
import { type HostPort, hostPort, parsedBy, path } from '../runtime/config-value.ts'
import type { LogLevel } from '../runtime/log.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'

/** How a proxy tells of a request: nginx in headers, Envoy by the request that it makes. */
export type ProxyKind = 'nginx' | 'envoy'

/** Where proxies ask, and which. */
export type Door =
  | { readonly proxy: ProxyKind; readonly socket: string; readonly uids: ReadonlySet<number> }
  | { readonly proxy: ProxyKind; readonly address: HostPort; readonly ids: readonly SpiffeId[] }

/** What requests need whose path is like this. */
export interface Route {
  readonly pattern: string
  readonly methods: ReadonlySet<string>
  readonly scopes: readonly string[]
  readonly allowUntilExpiry: boolean
}

/** Something behind a proxy. */
export interface Service {
  /** The one audience of its tokens. */
  readonly resource: string
  readonly requireBound: boolean
  /** The first that fits is the one. */
  readonly routes: readonly Route[]
}

export interface ForwardAuthSettings {
  readonly issuer: string
  /** PEM; undefined: the CAs that Node knows. */
  readonly issuerCa: string | undefined
  readonly endpoints: IssuerEndpoints
  /** Of the Workload API; undefined: what `SPIFFE_ENDPOINT_SOCKET` names. */
  readonly workloadApi: string | undefined
  /** As whom it asks and answers, where the agent gives it several; undefined: its first. */
  readonly spiffeId: SpiffeId | undefined
  /** How it is known what was revoked: by the issuer's feed, and by asking about tokens. */
  readonly revocations: boolean
  readonly introspect: boolean
  readonly logLevel: LogLevel
  /** Of health and metrics; undefined: they are not served. */
  readonly httpAddress: HostPort | undefined
  readonly doors: readonly Door[]
  /** By the name that a proxy says. */
  readonly services: ReadonlyMap<string, Service>
}

const method = z.string().regex(/^[A-Z]{1,16}$/, 'a method in capitals')
const scope = z
  .string()
  .max(128)
  .refine(isScope, 'a scope without blanks')
  .refine((said) => !opensNothing(said), 'a scope that is not of canaries, which open nothing')
const url = z.string().max(2048).refine(isHttps, 'not an https URL (write it from https:// on)')

const routeSchema = z.strictObject({
  path: z
    .string()
    .max(1024)
    .refine(isPathPattern, 'a path such as /orders, /orders/* or /orders/**'),
  methods: z.array(method).min(1).max(16),
  scopes: z.array(scope).max(64),
  when_unknown: z.enum(['deny', 'allow-until-expiry']).optional(),
})

const serviceSchema = z.strictObject({
  resource: z.string().min(1).max(2048),
  require_bound: z.boolean().optional(),
  routes: z.array(routeSchema).min(1).max(1024),
})

const doorSchema = z.strictObject({
  proxy: z.enum(['nginx', 'envoy']),
  socket: path.optional(),
  users: z
    .array(parsedBy((text) => parseOwner(text).uid))
    .min(1)
    .max(16)
    .optional(),
  address: hostPort.optional(),
  spiffe_ids: z.array(parsedBy(SpiffeId.parse)).min(1).max(256).optional(),
})

const fileSchema = z.strictObject({
  issuer: url,
  issuer_ca: path.optional(),
  endpoints: z
    .strictObject({
      introspection: url.optional(),
      keys: url.optional(),
      feed: url.optional(),
      feed_keys: url.optional(),
    })
    .optional(),
  workload_api: path.optional(),
  spiffe_id: parsedBy(SpiffeId.parse).optional(),
  revocations: z.boolean().optional(),
  introspect: z.boolean().optional(),
  log_level: z.enum(['error', 'warn', 'info', 'debug']).optional(),
  http_address: hostPort.optional(),
  doors: z.array(doorSchema).min(1).max(16),
  services: z
    .record(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'a name in lower case'), serviceSchema)
    .refine((services) => Object.keys(services).length <= 256, 'at most 256 services'),
})

type Said = z.infer<typeof fileSchema>

/** Reads a file. Throws `invalid`: `config-…`. */
export function readForwardAuth(file: string): ForwardAuthSettings {
  const said = readConfigFile(file, fileSchema)
  const { issuer, issuer_ca: ca } = said
  return {
    issuer,
    issuerCa: ca && readPem(ca),
    endpoints: endpointsIn(issuer, said.endpoints),
    workloadApi: said.workload_api,
    spiffeId: said.spiffe_id,
    revocations: said.revocations ?? false,
    introspect: said.introspect ?? false,
    logLevel: said.log_level ?? 'info',
    httpAddress: said.http_address,
    doors: said.doors.map(doorOf),
    services: new Map(
      Object.entries(said.services).map(([name, service]) => [name, serviceOf(service)]),
    ),
  }
}

function serviceOf(said: z.infer<typeof serviceSchema>): Service {
  return {
    resource: said.resource,
    requireBound: said.require_bound ?? false,
    routes: said.routes.map((route) => ({
      pattern: route.path,
      methods: new Set(route.methods),
      scopes: route.scopes,
      allowUntilExpiry: route.when_unknown === 'allow-until-expiry',
    })),
  }
}

function doorOf({ proxy, socket, users, address, spiffe_ids }: z.infer<typeof doorSchema>): Door {
  if (socket !== undefined && users !== undefined && address === undefined && !spiffe_ids) {
    return { proxy, socket, uids: new Set(users) }
  }
  if (address !== undefined && spiffe_ids !== undefined && socket === undefined && !users) {
    return { proxy, address, ids: spiffe_ids }
  }
  return refuse(
    'a door is a socket with users, or an address with spiffe_ids',
    'name the users, or the SPIFFE IDs, that the proxy runs under: nobody else may ask',
  )
}

function readPem(file: string): string {
  const text = readText(file)
  if (holdsCertificates(text)) return text
  return refuse(`issuer_ca holds no certificates: ${file}`, 'name a file of certificates, PEM')
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new CountersignError('invalid', `issuer_ca cannot be read: ${file}`, {
      reason: 'config-forward-auth',
      fix: 'name a PEM file that is there and that this user can read',
      cause,
    })
  }
}

function endpointsIn(issuer: string, said: Said['endpoints'] = {}): IssuerEndpoints {
  const { introspection, keys, feed, feed_keys: feedKeys } = said
  return endpointsOf(issuer, {
    ...(introspection !== undefined && { introspection }),
    ...(keys !== undefined && { keys }),
    ...(feed !== undefined && { feed }),
    ...(feedKeys !== undefined && { feedKeys }),
  })
}

function refuse(message: string, fix: string): never {
  throw new CountersignError('invalid', message, { reason: 'config-forward-auth', fix })
}
