import { join } from 'node:path'
import { z } from 'zod'
import { selectorTypePattern } from '../src/entry/selector.ts'
import { readConfigFile } from '../src/runtime/config-file.ts'
import { type Overrides, readOverrides, requireSetting } from '../src/runtime/config-override.ts'
import { duration, type HostPort, hostPort, parsedBy, path } from '../src/runtime/config-value.ts'
import type { LogLevel } from '../src/runtime/log.ts'
import { TrustDomain } from '../src/spiffe-id/spiffe-id.ts'
import type { RateLimit } from './access/limits.ts'
import { readSinks, type SinkSettings, sinksSchema } from './audit/settings.ts'
import { type FederationSettings, federationSchema, readFederation } from './bundle/settings.ts'
import { warningsOf } from './ca/settings.ts'
import { type OauthSettings, oauthSchema, readOauth } from './oauth/settings.ts'
import { type OidcSettings, oidcSchema, readOidc } from './oidc/settings.ts'

type JwtKeyKind = 'ec-p256' | 'ec-p384' | 'rsa-2048' | 'rsa-4096'

export interface ServerConfig {
  readonly trustDomain: TrustDomain
  readonly dataDir: string
  readonly bindAddress: HostPort
  readonly adminSocket: string
  /** Where `/live`, `/ready` and `/metrics` are served; undefined: nowhere. */
  readonly httpAddress: HostPort | undefined
  readonly logLevel: LogLevel
  readonly auditFile: string
  /** So many of the newest audit records are kept in the store too; 0: none. */
  readonly auditCopyRecords: number
  /** Where the trail is copied to beside that, while it is written. */
  readonly auditSinks: readonly SinkSettings[]
  readonly keyManager:
    | { readonly type: 'file'; readonly path: string }
    | { readonly type: 'memory' }
  readonly ca: {
    readonly ttlSeconds: number
    readonly keyKind: JwtKeyKind | 'ed25519'
    readonly jwtKeyKind: JwtKeyKind
    readonly jwtRs256Audiences: readonly string[]
  }
  readonly x509SvidTtlSeconds: number
  readonly jwtSvidTtlSeconds: number
  readonly agentTtlSeconds: number
  readonly jwtIssuer: string | undefined
  /** Where the issuer answers for itself; undefined: nowhere. */
  readonly oidc: OidcSettings | undefined
  /** The authorization server; undefined: none. */
  readonly oauth: OauthSettings | undefined
  readonly federation: FederationSettings
  /** Selector types of the operator's own attestors. */
  readonly selectorTypes: readonly string[]
  readonly rateLimits: {
    /** Attestations of one address. */
    readonly attest: RateLimit
    /** Certificates and tokens of one agent. */
    readonly sign: RateLimit
    /** Calls of one identity, whatever they are. */
    readonly call: RateLimit
  }
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
}

const jwtKey = z.enum(['ec-p256', 'ec-p384', 'rsa-2048', 'rsa-4096'])
// JWT-03: no algorithm of a JWT-SVID takes an Ed25519 key.
const caKey = z.enum([...jwtKey.options, 'ed25519'])
const count = z.number().int().min(1).max(10_000_000)
const trustDomain = parsedBy(TrustDomain.parse)
const rateLimit = z.strictObject({ per_second: count, burst: count })
// Agents ask for up to 1,000 at once: with less they would be refused for ever.
const signLimit = rateLimit.extend({ burst: count.min(1000) })

/** The file as an operator writes it. Every key, with its default; an unknown one is refused. */
const fileSchema = z.strictObject({
  trust_domain: trustDomain.optional(),
  data_dir: path.optional(),
  bind_address: hostPort.optional(),
  admin_socket: path.optional(),
  http_address: z.union([hostPort, z.literal(false)]).optional(),
  log_level: z.enum(['error', 'warn', 'info', 'debug']).optional(),
  audit_file: path.optional(),
  audit_copy_records: z.number().int().min(0).max(1_000_000_000).optional(),
  audit_sinks: sinksSchema.optional(),
  key_manager: z
    .discriminatedUnion('type', [
      z.strictObject({ type: z.literal('file'), path: path.optional() }),
      z.strictObject({ type: z.literal('memory') }),
    ])
    .optional(),
  ca: z
    .strictObject({
      ttl: duration
        // Keys that change more often than agents can be told of the next one are of no use to anybody.
        .refine((seconds) => seconds >= 30, 'too short for an authority (write at least 30s)')
        .optional(),
      key_type: caKey.optional(),
      jwt_key_type: jwtKey.optional(),
      jwt_rs256_audiences: z.array(z.string().min(1).max(2048)).max(256).optional(),
    })
    .optional(),
  x509_svid_ttl: duration.optional(),
  jwt_svid_ttl: duration.optional(),
  agent_ttl: duration.optional(),
  jwt_issuer: z
    .url({ protocol: /^https$/, error: 'not an https URL (write it from https:// on)' })
    .max(2048)
    .optional(),
  oidc: oidcSchema.optional(),
  oauth: oauthSchema.optional(),
  federation: federationSchema.optional(),
  selector_types: z
    .array(
      z
        .string()
        .regex(selectorTypePattern, 'not a selector type (write 1 to 64 of a-z, 0-9, _, . and -)'),
    )
    .max(64)
    .optional(),
  rate_limits: z
    .strictObject({
      attest: rateLimit.optional(),
      sign: signLimit.optional(),
      call: rateLimit.optional(),
    })
    .optional(),
  max_connections: count.optional(),
  max_connections_per_address: count.optional(),
})

/** What may also be said on the command line, and by the environment variable beside it. */
export const serverSettings = {
  trust_domain: 'COUNTERSIGN_TRUST_DOMAIN',
  data_dir: 'COUNTERSIGN_DATA_DIR',
  bind_address: 'COUNTERSIGN_BIND_ADDRESS',
  admin_socket: 'COUNTERSIGN_ADMIN_SOCKET',
  http_address: 'COUNTERSIGN_HTTP_ADDRESS',
  log_level: 'COUNTERSIGN_LOG_LEVEL',
} as const

/** The server's settings from flags, environment, file and defaults. Throws `invalid`, `config-…`. */
export function loadServerConfig(said: Overrides): ServerConfig {
  const file = said.file === undefined ? {} : readConfigFile(said.file, fileSchema)
  const merged = { ...file, ...readOverrides(fileSchema, serverSettings, said) }
  const dataDir = merged.data_dir ?? path.parse('./.countersign/server')
  const keyManager = merged.key_manager ?? { type: 'file' as const }
  const name = requireSetting(merged.trust_domain, 'trust_domain', serverSettings.trust_domain)
  return {
    trustDomain: name,
    dataDir,
    bindAddress: merged.bind_address ?? { host: '0.0.0.0', port: 8081 },
    adminSocket: merged.admin_socket ?? join(dataDir, 'admin', 'api.sock'),
    httpAddress:
      merged.http_address === false
        ? undefined
        : (merged.http_address ?? { host: '127.0.0.1', port: 8082 }),
    logLevel: merged.log_level ?? 'info',
    auditFile: merged.audit_file ?? join(dataDir, 'audit.log'),
    auditCopyRecords: merged.audit_copy_records ?? 1_000_000,
    auditSinks: readSinks(merged.audit_sinks),
    keyManager:
      keyManager.type === 'memory'
        ? keyManager
        : { type: 'file', path: keyManager.path ?? join(dataDir, 'wrapping.key') },
    ca: {
      ttlSeconds: merged.ca?.ttl ?? 86_400,
      keyKind: merged.ca?.key_type ?? 'ec-p256',
      jwtKeyKind: merged.ca?.jwt_key_type ?? 'ec-p256',
      jwtRs256Audiences: merged.ca?.jwt_rs256_audiences ?? [],
    },
    x509SvidTtlSeconds: merged.x509_svid_ttl ?? 3600,
    jwtSvidTtlSeconds: merged.jwt_svid_ttl ?? 300,
    agentTtlSeconds: merged.agent_ttl ?? 86_400,
    jwtIssuer: merged.jwt_issuer,
    oidc: readOidc(merged.oidc, merged.jwt_issuer),
    oauth: readOauth(merged.oauth, name, merged.jwt_issuer),
    federation: readFederation(merged.federation, name),
    selectorTypes: merged.selector_types ?? [],
    rateLimits: {
      attest: rate(merged.rate_limits?.attest, 10, 100),
      sign: rate(merged.rate_limits?.sign, 20_000, 40_000),
      call: rate(merged.rate_limits?.call, 20_000, 40_000),
    },
    maxConnections: merged.max_connections ?? 20_000,
    maxConnectionsPerAddress: merged.max_connections_per_address ?? 5_000,
  }
}

/** What the operator should know of it; nothing here stops a start. */
export function warningsOfConfig(config: ServerConfig): readonly string[] {
  return warningsOf({ ...config, caTtlSeconds: config.ca.ttlSeconds })
}

function rate(
  said: { readonly per_second: number; readonly burst: number } | undefined,
  perSecond: number,
  burst: number,
): RateLimit {
  return said === undefined
    ? { perSecond, burst }
    : { perSecond: said.per_second, burst: said.burst }
}
