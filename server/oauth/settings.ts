import { statSync } from 'node:fs'
import { z } from 'zod'
import type { Entry } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import { readConfigFile } from '../../src/runtime/config-file.ts'
import {
  duration,
  type HostPort,
  hostPort,
  parsedBy,
  path,
} from '../../src/runtime/config-value.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { ruleFileSchema } from './federated/rule-file.ts'
import {
  type FederatedFile,
  type FederatedIssuer,
  federatedSchema,
  longestMaxAgeSeconds,
  readFederated,
} from './federated/settings.ts'
import { refuseLooseFile } from './followed-file.ts'
import {
  type ForeignClientsFile,
  foreignClientFileSchema,
  foreignClientsSchema,
  readForeignClients,
} from './foreign-clients.ts'
import {
  type Resource,
  type ResourceFile,
  readResources,
  resourceSchema,
} from './resource-settings.ts'
import { type EventStream, readSsf, type SsfFile, ssfSchema } from './ssf/settings.ts'

/** Of `oauth.policy`: what `countersign policy apply` has put into the store. No path is as short. */
export const inStore = 'store'

export interface OauthSettings {
  /** `iss` of the tokens, and the only audience of an assertion; exact. */
  readonly issuer: string
  /** `iss` of the server's JWT-SVIDs; undefined: they have none. */
  readonly jwtIssuer?: string | undefined
  readonly address: HostPort
  /** What tokens are signed with from the next key on (RFC 9068 §2.1). */
  readonly signing: 'ES256' | 'RS256'
  /** PEM files. */
  readonly tls: { readonly certificate: string; readonly key: string }
  readonly resources: ReadonlyMap<string, Resource>
  /** The folder of Cedar files, or `inStore`. */
  readonly policy: string
  /** Workloads that may ask on behalf of legacy callers; none: nobody can. */
  readonly legacyEdges: ReadonlySet<SpiffeId>
  /** Whether a resource with an `env` is refused to entries without the same label. */
  readonly separateEnvironments: boolean
  /** How often each service that has a self-test is tried, and from which time to refusal on somebody is told. */
  readonly canary: { readonly everySeconds: number; readonly alarmAfterSeconds: number }
  /** Workloads of other trust domains, and what is said of each in place of an entry. */
  readonly foreignClients: ReadonlyMap<SpiffeId, Entry>
  /** The file that lists them, which is followed; undefined: they are those of the start. */
  readonly foreignClientsFile: string | undefined
  /** Issuers whose tokens are exchanged, by `iss`. */
  readonly federation: ReadonlyMap<string, FederatedIssuer>
  /** The file that lists them, which is followed; undefined: they are those of the start. */
  readonly federationFile: string | undefined
  /** Events for receivers outside, by id. */
  readonly streams: ReadonlyMap<string, EventStream>
}

/** For how long something that was issued before a fact may be shown as a proof: an SVID, or a token of another issuer. */
export function longestProofSeconds(
  oauth: Pick<OauthSettings, 'federation' | 'federationFile'> | undefined,
  caTtlSeconds: number,
): number {
  const isFederated = (oauth?.federation.size ?? 0) > 0 || oauth?.federationFile !== undefined
  return Math.max(caTtlSeconds, isFederated ? longestMaxAgeSeconds : 0)
}

/** As an operator writes it. */
export const oauthSchema: z.ZodType<OauthFile> = z.strictObject({
  issuer: z.string().max(2048),
  address: hostPort,
  certificate: path,
  key: path,
  signing: z.enum(['ES256', 'RS256']).optional(),
  resources: z.array(resourceSchema).min(1).max(1024),
  policy: z.union([z.literal(inStore), path]),
  separate_environments: z.boolean().optional(),
  canary: z
    .strictObject({ every: duration.optional(), alarm_after: duration.optional() })
    .optional(),
  legacy_edges: z.array(parsedBy(SpiffeId.parse)).max(256).optional(),
  foreign_clients: foreignClientsSchema.optional(),
  foreign_clients_file: path.optional(),
  federation: federatedSchema.optional(),
  federation_file: path.optional(),
  ssf: ssfSchema.optional(),
}) as z.ZodType<OauthFile>

interface OauthFile {
  readonly issuer: string
  readonly address: HostPort
  readonly certificate: string
  readonly key: string
  readonly signing?: 'ES256' | 'RS256' | undefined
  readonly resources: readonly ResourceFile[]
  readonly policy: string
  readonly separate_environments?: boolean | undefined
  readonly canary?:
    | { readonly every?: number | undefined; readonly alarm_after?: number | undefined }
    | undefined
  readonly legacy_edges?: readonly SpiffeId[] | undefined
  readonly foreign_clients?: ForeignClientsFile | undefined
  readonly foreign_clients_file?: string | undefined
  readonly federation?: readonly FederatedFile[] | undefined
  readonly federation_file?: string | undefined
  readonly ssf?: SsfFile | undefined
}

/** Throws `invalid`: `config-oauth`, `config-oauth-federation`, `config-oauth-ssf`; and as `readConfigFile`. */
export function readOauth(
  said: OauthFile | undefined,
  trustDomain: TrustDomain,
  jwtIssuer?: string,
): OauthSettings | undefined {
  if (said === undefined) return undefined
  const { issuer, address, certificate, key, policy } = said
  if (
    !issuer.startsWith('https://') ||
    !URL.canParse(issuer) ||
    new URL(issuer).origin !== issuer
  ) {
    refuse(
      'oauth.issuer is not the https URL of a host alone',
      'write it as https://as.example.org, in lower case, without path and without a slash at the end',
    )
  }
  const resources = readResources(said.resources)
  const { separate_environments: separateEnvironments = true, canary = {} } = said
  const { every: everySeconds = 30, alarm_after: alarmAfterSeconds = 1 } = canary
  return {
    ...{ issuer, jwtIssuer, address, tls: { certificate, key } },
    ...{ resources, policy, separateEnvironments },
    signing: said.signing ?? 'ES256',
    canary: { everySeconds, alarmAfterSeconds },
    legacyEdges: new Set(said.legacy_edges),
    foreignClients: readForeignClients(
      listIn(said, 'foreign_clients', foreignClientFileSchema),
      trustDomain,
    ),
    foreignClientsFile: said.foreign_clients_file,
    federation: readFederated(listIn(said, 'federation', ruleFileSchema), {
      ...{ issuer, jwtIssuer, trustDomain },
    }),
    federationFile: said.federation_file,
    streams: readSsf(said.ssf, resources),
  }
}

/** A file is read here too, so that whoever checks a configuration hears of it. */
function listIn<N extends 'federation' | 'foreign_clients'>(
  said: OauthFile,
  name: N,
  schema: z.ZodType<Readonly<Record<N, Listed<N>>>>,
): Listed<N> | readonly [] {
  const { [name]: list, [`${name}_file` as const]: file } = said
  if (file === undefined) return list ?? []
  if (list !== undefined) {
    refuse(`oauth.${name} and oauth.${name}_file are both there`, 'write one of them')
  }
  const read = readConfigFile(file, schema)
  refuseLooseFile(file, statSync(file))
  return read[name]
}

type Listed<N extends keyof OauthFile> = NonNullable<OauthFile[N]>

function refuse(message: string, fix: string): never {
  throw new CountersignError('invalid', message, { reason: 'config-oauth', fix })
}
