import { z } from 'zod'
import { checkNetwork } from '../../src/federation/networks.ts'
import { parsedBy } from '../../src/runtime/config-value.ts'

/** How far connections to a server of somebody else may lead (T8). */
export interface Reach {
  /** PEM file: CAs in place of those that Node knows. */
  readonly webCa: string | undefined
  readonly allowedNetworks: readonly string[]
  readonly allowedPorts: readonly number[] | undefined
}

/** As an operator writes them. */
export const network: z.ZodType<string> = parsedBy(checkNetwork)
export const port: z.ZodType<number> = z.number().int().min(1).max(65_535)
