import { CountersignError } from '../../src/errors.ts'

/** What secrets are called, and in which form bundles are given. */
export interface SdsConfig {
  /** The workload's default X.509-SVID. */
  readonly defaultSvidName: string
  /** The bundle of the agent's own trust domain. */
  readonly defaultBundleName: string
  /** The bundles of the own and of all federated trust domains. */
  readonly defaultAllBundlesName: string
  /** Bundles as plain lists of CAs instead of for Envoy's SPIFFE validator. */
  readonly disableSpiffeCertValidation: boolean
}

/** The names that SPIRE's agents use. */
export const defaultSdsConfig: SdsConfig = {
  defaultSvidName: 'default',
  defaultBundleName: 'ROOTCA',
  defaultAllBundlesName: 'ALL',
  disableSpiffeCertValidation: false,
}

/** What a stream asks for: names, and with `all` everything that the workload may have. */
export interface Asked {
  readonly names: ReadonlySet<string>
  readonly all: boolean
}

/** What stands for everything in a subscription (xDS, “wildcard”). */
const wildcard = '*'
/** Of one stream at any time, and their bytes together. An Envoy asks for one name on each. */
const maxNames = 64
const maxNameBytes = 16_384

/**
 * `before` with these names more and those fewer. Throws `invalid` (`sds-name`, `sds-too-many-names`).
 */
export function subscribed(
  before: Asked,
  added: readonly string[],
  taken: readonly string[] = [],
): Asked {
  if (added.includes('')) {
    throw new CountersignError('invalid', 'a secret has a name', { reason: 'sds-name' })
  }
  const names = new Set(before.names)
  for (const name of added) names.add(name)
  for (const name of taken) names.delete(name)
  const all = (before.all || names.has(wildcard)) && !taken.includes(wildcard)
  names.delete(wildcard)
  let bytes = 0
  for (const name of names) bytes += Buffer.byteLength(name)
  if (names.size > maxNames || bytes > maxNameBytes) {
    throw new CountersignError(
      'invalid',
      `one stream may ask for ${maxNames} secrets and ${maxNameBytes} bytes of names`,
      { reason: 'sds-too-many-names', fix: 'ask for the others on another stream' },
    )
  }
  return { names, all }
}
