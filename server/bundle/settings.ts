import { z } from 'zod'
import { CountersignError } from '../../src/errors.ts'
import { checkNetwork } from '../../src/federation/networks.ts'
import {
  duration,
  type HostPort,
  hostPort,
  parsedBy,
  path,
} from '../../src/runtime/config-value.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'

/** Where the own bundle is served, and how the server proves that it is the one to ask. */
export interface BundleEndpointSettings {
  readonly address: HostPort
  readonly profile: /** PEM files. */
    | { readonly type: 'https_web'; readonly certificate: string; readonly key: string }
    /** By its own SVID. */
    | { readonly type: 'https_spiffe' }
}

/** Whom this server asks for the bundles of other trust domains, and where it answers with its own. */
export interface FederationSettings {
  /** Whether it asks anybody at all. */
  readonly fetch: boolean
  /** Networks that are asked besides the public internet. */
  readonly allowedNetworks: readonly string[]
  /** undefined: every port. */
  readonly allowedPorts: readonly number[] | undefined
  /** PEM file: the CAs for `https_web` in place of those that Node knows. */
  readonly webCa: string | undefined
  /** undefined: nowhere. */
  readonly endpoint: BundleEndpointSettings | undefined
  /** What is said of the bundles of single trust domains. */
  readonly trustDomains: ReadonlyMap<TrustDomain, StalenessSettings>
}

export interface StalenessSettings {
  /** A bundle is stale where it was not confirmed for longer: neither fetched nor set by an operator. */
  readonly maxSeconds: number
  /** Whether SVIDs of a trust domain whose bundle is stale prove nothing to the token service, or are told of alone. */
  readonly onStale: 'deny' | 'use'
}

interface FederationFile {
  readonly fetch?: boolean | undefined
  readonly allowed_networks?: readonly string[] | undefined
  readonly allowed_ports?: readonly number[] | undefined
  readonly web_ca?: string | undefined
  readonly bundle_endpoint?: BundleEndpointFile | undefined
  readonly trust_domains?:
    | readonly {
        readonly name: TrustDomain
        readonly max_staleness?: number | undefined
        readonly on_stale?: 'deny' | 'use' | undefined
      }[]
    | undefined
}

interface BundleEndpointFile {
  readonly address: HostPort
  readonly profile: 'https_web' | 'https_spiffe'
  readonly certificate?: string | undefined
  readonly key?: string | undefined
}

export const stalenessUnlessTold: StalenessSettings = { maxSeconds: 86_400, onStale: 'deny' }
const minStalenessSeconds = 300
const maxStalenessSeconds = 366 * 86_400

const network = parsedBy(checkNetwork)

/** As an operator writes it. */
export const federationSchema: z.ZodType<FederationFile> = z.strictObject({
  fetch: z.boolean().optional(),
  allowed_networks: z.array(network).max(256).optional(),
  allowed_ports: z.array(z.number().int().min(1).max(65_535)).min(1).max(64).optional(),
  web_ca: path.optional(),
  bundle_endpoint: z
    .strictObject({
      address: hostPort,
      profile: z.enum(['https_web', 'https_spiffe']),
      certificate: path.optional(),
      key: path.optional(),
    })
    .optional(),
  trust_domains: z
    .array(
      z.strictObject({
        name: parsedBy(TrustDomain.parse),
        max_staleness: duration.optional(),
        on_stale: z.enum(['deny', 'use']).optional(),
      }),
    )
    .max(1000)
    .optional(),
}) as z.ZodType<FederationFile>

/** `own`: the trust domain of this server, with which it does not federate. Throws `invalid` / `config-federation`. */
export function readFederation(said: FederationFile = {}, own?: TrustDomain): FederationSettings {
  return {
    fetch: said.fetch ?? true,
    allowedNetworks: said.allowed_networks ?? [],
    allowedPorts: said.allowed_ports,
    webCa: said.web_ca,
    endpoint: said.bundle_endpoint && readEndpoint(said.bundle_endpoint),
    trustDomains: readTrustDomains(said.trust_domains ?? [], own),
  }
}

function readTrustDomains(
  said: NonNullable<FederationFile['trust_domains']>,
  own: TrustDomain | undefined,
): FederationSettings['trustDomains'] {
  const trustDomains = new Map<TrustDomain, StalenessSettings>()
  for (const { name, max_staleness, on_stale } of said) {
    const maxSeconds = max_staleness ?? stalenessUnlessTold.maxSeconds
    if (name === own) {
      refuse(
        `federation.trust_domains names ${name}, which is this server's own`,
        'leave it out: the own bundle is always the newest',
      )
    }
    if (trustDomains.has(name)) {
      refuse(`federation.trust_domains names ${name} twice`, 'name each trust domain once')
    }
    // A fetch takes some seconds, and is tried again a minute after it has failed.
    if (maxSeconds < minStalenessSeconds || maxSeconds > maxStalenessSeconds) {
      refuse(`max_staleness of ${name} is not from 5m to 366d`, 'set it to 24h, say')
    }
    trustDomains.set(name, { maxSeconds, onStale: on_stale ?? stalenessUnlessTold.onStale })
  }
  return trustDomains
}

function readEndpoint({
  address,
  profile,
  certificate,
  key,
}: BundleEndpointFile): BundleEndpointSettings {
  if (profile === 'https_web' && certificate !== undefined && key !== undefined) {
    return { address, profile: { type: profile, certificate, key } }
  }
  if (profile === 'https_spiffe' && certificate === undefined && key === undefined) {
    return { address, profile: { type: profile } }
  }
  return refuse(
    'certificate and key belong to https_web, both of them',
    'set both with profile https_web, and neither with https_spiffe',
  )
}

function refuse(message: string, fix: string): never {
  throw new CountersignError('invalid', message, { reason: 'config-federation', fix })
}
