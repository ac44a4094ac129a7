import { z } from 'zod'
import { parseNetworks } from '../../src/federation/networks.ts'
import { parsedBy, path } from '../../src/runtime/config-value.ts'

/** Whom this server asks for the bundles of other trust domains. */
export interface FederationSettings {
  /** Whether it asks anybody at all. */
  readonly fetch: boolean
  /** Networks that are asked besides the public internet. */
  readonly allowedNetworks: readonly string[]
  /** undefined: every port. */
  readonly allowedPorts: readonly number[] | undefined
  /** PEM file: the CAs for `https_web` in place of those that Node knows. */
  readonly webCa: string | undefined
}

interface FederationFile {
  readonly fetch?: boolean | undefined
  readonly allowed_networks?: readonly string[] | undefined
  readonly allowed_ports?: readonly number[] | undefined
  readonly web_ca?: string | undefined
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
}) as z.ZodType<FederationFile>

export function readFederation(said: FederationFile = {}): FederationSettings {
  return {
    fetch: said.fetch ?? true,
    allowedNetworks: said.allowed_networks ?? [],
    allowedPorts: said.allowed_ports,
    webCa: said.web_ca,
  }
}
