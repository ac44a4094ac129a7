import { z } from 'zod'
import { CountersignError } from '../../src/errors.ts'
import { parseNetworks } from '../../src/federation/networks.ts'
import { type HostPort, hostPort, parsedBy, path } from '../../src/runtime/config-value.ts'

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
}

interface FederationFile {
  readonly fetch?: boolean | undefined
  readonly allowed_networks?: readonly string[] | undefined
  readonly allowed_ports?: readonly number[] | undefined
  readonly web_ca?: string | undefined
  readonly bundle_endpoint?: BundleEndpointFile | undefined
}

interface BundleEndpointFile {
  readonly address: HostPort
  readonly profile: 'https_web' | 'https_spiffe'
  readonly certificate?: string | undefined
  readonly key?: string | undefined
}

const network = parsedBy((text) => {
  parseNetworks([text])
  return text
})

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
}) as z.ZodType<FederationFile>

/** Throws `invalid` / `config-federation`. */
export function readFederation(said: FederationFile = {}): FederationSettings {
  return {
    fetch: said.fetch ?? true,
    allowedNetworks: said.allowed_networks ?? [],
    allowedPorts: said.allowed_ports,
    webCa: said.web_ca,
    endpoint: said.bundle_endpoint && readEndpoint(said.bundle_endpoint),
  }
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
  throw new CountersignError('invalid', 'certificate and key belong to https_web, both of them', {
    reason: 'config-federation',
    fix: 'set both with profile https_web, and neither with https_spiffe',
  })
}
