import { join } from 'node:path'
import { z } from 'zod'
import { CountersignError } from '../src/errors.ts'
import { readConfigFile } from '../src/runtime/config-file.ts'
import { type Overrides, readOverrides, requireSetting } from '../src/runtime/config-override.ts'
import { duration, type HostPort, hostPort, parsedBy, path } from '../src/runtime/config-value.ts'
import type { LogLevel } from '../src/runtime/log.ts'
import { SpiffeId, TrustDomain } from '../src/spiffe-id/spiffe-id.ts'
import { apartFrom, delegatesOf } from './admin-endpoint/settings.ts'
import { defaultSdsConfig, type SdsConfig } from './sds/names.ts'

/** Why the agent believes that it talks to its own server the first time. */
export type ServerTrust =
  | { readonly by: 'bundle-file'; readonly path: string }
  | { readonly by: 'ca-key'; readonly sha256: readonly string[] }
  | { readonly by: 'nothing' }

export interface AgentConfig {
  readonly trustDomain: TrustDomain
  readonly dataDir: string
  readonly serverAddresses: readonly HostPort[]
  readonly socket: string
  /** Where the agent's own APIs are served; undefined: nowhere. */
  readonly adminSocket: string | undefined
  /** Who may ask for others' identities on the admin socket. */
  readonly authorizedDelegates: ReadonlySet<SpiffeId>
  /** Where `/live`, `/ready` and `/metrics` are served; undefined: nowhere. */
  readonly httpAddress: HostPort | undefined
  readonly logLevel: LogLevel
  /** Undefined where the data folder is to hold the trust already. */
  readonly trust: ServerTrust | undefined
  /** `-` is standard input. */
  readonly joinTokenFile: string | undefined
  readonly unixAttestor: {
    readonly discoverPath: boolean
    /** Larger executables get no `sha256` selector; 0: no limit. */
    readonly hashSizeLimitBytes: number
  }
  readonly offlineCache: boolean
  /** The cache lies in the data folder, sealed under this key; undefined: in memory that a reboot forgets. */
  readonly offlineCacheKeyFile: string | undefined
  readonly maxOfflineSeconds: number
  readonly x509SvidCacheSize: number
  readonly jwtSvidCacheSize: number
  readonly maxStreamsPerUid: number
  /** Undefined: Envoy's secret discovery service is not served. */
  readonly sds: SdsConfig | undefined
}

/** The SHA-256 of a SubjectPublicKeyInfo. */
const keyHash = z
  .string()
  .regex(
    /^[0-9a-f]{64}$/,
    'not the SHA-256 of a public key (write the 64 hex digits that "countersign token create" prints)',
  )
const count = z.number().int().min(1).max(1_000_000)
const secretName = z.string().min(1).max(255)
const credential = z
  .string()
  .max(4096)
  .startsWith('credential:', 'neither a path nor credential:NAME')

/** The file as an operator writes it. Every key, with its default; an unknown one is refused. */
const fileSchema = z.strictObject({
  trust_domain: parsedBy(TrustDomain.parse).optional(),
  data_dir: path.optional(),
  server_address: z
    .union([hostPort.transform((one) => [one]), z.array(hostPort).min(1).max(32)])
    .optional(),
  socket: path.optional(),
  admin_socket: path.optional(),
  authorized_delegates: z.array(parsedBy(SpiffeId.parse)).max(64).optional(),
  http_address: z.union([hostPort, z.literal(false)]).optional(),
  log_level: z.enum(['error', 'warn', 'info', 'debug']).optional(),
  trust_bundle: path.optional(),
  trust_ca_sha256: z
    .union([z.string().transform((text) => text.split(',')), z.array(z.string())])
    .pipe(z.array(keyHash).min(1).max(8))
    .optional(),
  insecure_bootstrap: z.union([z.boolean(), z.literal('true').transform(() => true)]).optional(),
  join_token_file: z.union([z.literal('-'), path]).optional(),
  unix_attestor: z
    .strictObject({
      discover_path: z.boolean().optional(),
      hash_size_limit: z.number().int().min(0).optional(),
    })
    .optional(),
  offline_cache: z.boolean().optional(),
  offline_cache_key_file: z.union([credential, path]).optional(),
  max_offline: duration.optional(),
  x509_svid_cache_size: count.optional(),
  jwt_svid_cache_size: count.optional(),
  max_streams_per_uid: count.optional(),
  sds: z
    .strictObject({
      enabled: z.boolean().optional(),
      default_svid_name: secretName.optional(),
      default_bundle_name: secretName.optional(),
      default_all_bundles_name: secretName.optional(),
      disable_spiffe_cert_validation: z.boolean().optional(),
    })
    .optional(),
})

/** What may also be said on the command line, and by the environment variable beside it. */
export const agentSettings = {
  trust_domain: 'COUNTERSIGN_TRUST_DOMAIN',
  data_dir: 'COUNTERSIGN_DATA_DIR',
  server_address: 'COUNTERSIGN_SERVER_ADDRESS',
  socket: 'COUNTERSIGN_SOCKET',
  admin_socket: 'COUNTERSIGN_AGENT_ADMIN_SOCKET',
  http_address: 'COUNTERSIGN_HTTP_ADDRESS',
  log_level: 'COUNTERSIGN_LOG_LEVEL',
  trust_bundle: 'COUNTERSIGN_TRUST_BUNDLE',
  trust_ca_sha256: 'COUNTERSIGN_TRUST_CA_SHA256',
  insecure_bootstrap: 'COUNTERSIGN_INSECURE_BOOTSTRAP',
  join_token_file: 'COUNTERSIGN_JOIN_TOKEN_FILE',
} as const

/** The agent's settings from flags, environment, file and defaults. Throws `invalid`, `config-…`. */
export function loadAgentConfig(said: Overrides): AgentConfig {
  const file = said.file === undefined ? {} : readConfigFile(said.file, fileSchema)
  const merged = { ...file, ...readOverrides(fileSchema, agentSettings, said) }
  const dataDir = merged.data_dir ?? path.parse('./.countersign/agent')
  const socket = merged.socket ?? join(dataDir, 'public', 'api.sock')
  const trustDomain = requireSetting(
    merged.trust_domain,
    'trust_domain',
    agentSettings.trust_domain,
  )
  return {
    trustDomain,
    dataDir,
    serverAddresses: requireSetting(
      merged.server_address,
      'server_address',
      agentSettings.server_address,
    ),
    socket,
    adminSocket: apartFrom(socket, merged.admin_socket),
    authorizedDelegates: delegatesOf(trustDomain, merged),
    httpAddress: merged.http_address === false ? undefined : merged.http_address,
    logLevel: merged.log_level ?? 'info',
    trust: chooseTrust(merged),
    joinTokenFile: merged.join_token_file,
    unixAttestor: {
      discoverPath: merged.unix_attestor?.discover_path ?? false,
      hashSizeLimitBytes: merged.unix_attestor?.hash_size_limit ?? 0,
    },
    offlineCache: merged.offline_cache ?? true,
    offlineCacheKeyFile: keyFileOf(merged, said.env),
    maxOfflineSeconds: merged.max_offline ?? 3600,
    x509SvidCacheSize: merged.x509_svid_cache_size ?? 1000,
    jwtSvidCacheSize: merged.jwt_svid_cache_size ?? 1000,
    maxStreamsPerUid: merged.max_streams_per_uid ?? 2048,
    sds: merged.sds?.enabled === false ? undefined : sdsConfig(merged.sds ?? {}),
  }
}

function sdsConfig(said: NonNullable<z.infer<typeof fileSchema>['sds']>): SdsConfig {
  const config: SdsConfig = {
    defaultSvidName: said.default_svid_name ?? defaultSdsConfig.defaultSvidName,
    defaultBundleName: said.default_bundle_name ?? defaultSdsConfig.defaultBundleName,
    defaultAllBundlesName: said.default_all_bundles_name ?? defaultSdsConfig.defaultAllBundlesName,
    disableSpiffeCertValidation: said.disable_spiffe_cert_validation ?? false,
  }
  const names = [config.defaultSvidName, config.defaultBundleName, config.defaultAllBundlesName]
  if (new Set(names).size < names.length) {
    throw new CountersignError(
      'invalid',
      `two of the names under sds are the same: ${names.join(', ')}`,
      {
        reason: 'config-sds-names',
        fix: 'give the SVID, the bundle and all bundles a name each',
      },
    )
  }
  return config
}

/** An absolute path, or `credential:<name>` for one that systemd hands to the service. */
function keyFileOf(
  said: {
    readonly offline_cache?: boolean | undefined
    readonly offline_cache_key_file?: string | undefined
  },
  env: Overrides['env'],
): string | undefined {
  const { offline_cache_key_file: text } = said
  if (text === undefined) return undefined
  if (said.offline_cache === false) {
    throw new CountersignError('invalid', 'offline_cache_key_file is for offline_cache: true', {
      reason: 'config-offline-key',
      fix: 'leave one of the two out',
    })
  }
  const [, name] = /^credential:(.*)$/s.exec(text) ?? []
  if (name === undefined) return text
  const folder = env['CREDENTIALS_DIRECTORY']
  if (folder === undefined || !/^[A-Za-z0-9_.-]+$/.test(name) || name.startsWith('.')) {
    throw new CountersignError('invalid', `there is no ${text}`, {
      reason: 'config-offline-key',
      fix: 'start the agent as a service with LoadCredentialEncrypted=NAME:FILE in its unit',
    })
  }
  return join(folder, name)
}

function chooseTrust(said: {
  readonly trust_bundle?: string | undefined
  readonly trust_ca_sha256?: readonly string[] | undefined
  readonly insecure_bootstrap?: boolean | undefined
}): ServerTrust | undefined {
  const ways: ServerTrust[] = []
  if (said.trust_bundle !== undefined) ways.push({ by: 'bundle-file', path: said.trust_bundle })
  if (said.trust_ca_sha256 !== undefined) ways.push({ by: 'ca-key', sha256: said.trust_ca_sha256 })
  if (said.insecure_bootstrap === true) ways.push({ by: 'nothing' })
  if (ways.length > 1) {
    throw new CountersignError(
      'invalid',
      'only one of trust_bundle, trust_ca_sha256 and insecure_bootstrap may be set',
      { reason: 'config-trust', fix: 'keep the strongest one that you have' },
    )
  }
  return ways[0]
}
