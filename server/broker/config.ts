import { join } from 'node:path'
import { z } from 'zod'
import { CountersignError } from '../../src/errors.ts'
import { readConfigFile } from '../../src/runtime/config-file.ts'
import { type HostPort, hostPort, parsedBy, path } from '../../src/runtime/config-value.ts'
import type { LogLevel } from '../../src/runtime/log.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { readSinks, type SinkSettings, sinksSchema } from '../audit/settings.ts'
import { integrationSchema } from './integration-file.ts'
import { type Integration, readIntegration } from './settings.ts'

export interface BrokerConfig {
  /** Where callers reach it: scheme, host and port, as they write them. */
  readonly origin: string
  readonly address: HostPort
  readonly httpAddress: HostPort | undefined
  readonly dataDir: string
  readonly auditFile: string
  readonly auditSinks: readonly SinkSettings[]
  readonly logLevel: LogLevel
  /** Of the Workload API; undefined: what `SPIFFE_ENDPOINT_SOCKET` names. */
  readonly socket: string | undefined
  /** The broker's own, where the agent gives it several. */
  readonly spiffeId: SpiffeId | undefined
  readonly issuer: string
  /** CA certificates of the issuer, PEM file, in place of those that Node knows. */
  readonly issuerCa: string | undefined
  /** Whether what the issuer has revoked is followed, and nobody called while that is not known. */
  readonly feed: boolean
  readonly policy: string
  readonly wrappingKey: string
  readonly maxConnections: number
  readonly maxConnectionsPerAddress: number
  readonly integrations: readonly Integration[]
}

const count = z.number().int().min(1).max(1_000_000)

const fileSchema = z.strictObject({
  url: z.string().max(2048),
  address: hostPort,
  http_address: z.union([hostPort, z.literal(false)]).optional(),
  data_dir: path,
  audit_file: path.optional(),
  audit_sinks: sinksSchema.optional(),
  log_level: z.enum(['error', 'warn', 'info', 'debug']).optional(),
  socket: path.optional(),
  spiffe_id: parsedBy(SpiffeId.parse).optional(),
  issuer: z.string().max(2048),
  issuer_ca: path.optional(),
  feed: z.boolean().optional(),
  policy: path,
  wrapping_key: path.optional(),
  max_connections: count.optional(),
  max_connections_per_address: count.optional(),
  integrations: z.array(integrationSchema).min(1).max(256),
})

/** By how much the clock of whoever writes `reopened` may be ahead. */
const aheadMs = 60_000

/** Reads a broker's file; a secret is never in it. Throws `invalid`: `config-…`. */
export function loadBrokerConfig(file: string, now: Date): BrokerConfig {
  const said = readConfigFile(file, fileSchema)
  const origin = originOf(said.url, 'url', 'the URL at which callers reach the broker')
  const issuer = originOf(said.issuer, 'issuer', 'the issuer, as its tokens name it in iss')
  const integrations = said.integrations.map((one) => readIntegration(one, origin))
  for (const { id, reopenedAt = now } of integrations) {
    if (integrations.filter((one) => one.id === id).length > 1) {
      refuse(`there are two integrations ${id}`, 'name each integration once')
    }
    if (reopenedAt.getTime() > now.getTime() + aheadMs) {
      refuse(
        `integration ${id}: reopened is still to come, and until then no revocation would shut it`,
        'write the instant at which it is opened, now at the latest',
      )
    }
  }
  return {
    origin,
    address: said.address,
    httpAddress:
      said.http_address === false
        ? undefined
        : (said.http_address ?? { host: '127.0.0.1', port: 8445 }),
    dataDir: said.data_dir,
    auditFile: said.audit_file ?? join(said.data_dir, 'audit.log'),
    auditSinks: readSinks(said.audit_sinks),
    logLevel: said.log_level ?? 'info',
    socket: said.socket,
    spiffeId: said.spiffe_id,
    issuer,
    issuerCa: said.issuer_ca,
    feed: said.feed ?? true,
    policy: said.policy,
    wrappingKey: said.wrapping_key ?? join(said.data_dir, 'wrapping.key'),
    maxConnections: said.max_connections ?? 10_000,
    maxConnectionsPerAddress: said.max_connections_per_address ?? 1_000,
    integrations,
  }
}

function originOf(text: string, key: string, what: string): string {
  if (text.startsWith('https://') && URL.canParse(text) && new URL(text).origin === text)
    return text
  return refuse(
    `${key} is not the https URL of a host alone`,
    `set it to ${what}: https://host or https://host:port, in lower case, without a path`,
  )
}

function refuse(message: string, fix: string): never {
  throw new CountersignError('invalid', message, { reason: 'config-broker', fix })
}
