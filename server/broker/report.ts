import { CountersignError } from '../../src/errors.ts'
import { nearest } from '../../src/runtime/suggest.ts'
import { fileKeyManager } from '../ca/key-manager.ts'
import type { BrokerConfig } from './config.ts'
import {
  type CredentialRecord,
  type PreviousCredential,
  readState,
  statePath,
} from './keys/credential-file.ts'
import { isClosed } from './keys/credentials.ts'
import { sealSecret } from './keys/secrets.ts'
import type { Integration } from './settings.ts'

/** What a broker has written down of an integration; of one that it never ran with, nothing but its settings. */
export interface IntegrationReport {
  readonly id: string
  readonly owner: string
  readonly state: 'open' | 'disabled' | 'closed' | 'old' | 'new'
  /** Since when the key is in use, or when the vendor issued it. */
  readonly since: Date | undefined
  readonly endsAt: Date | undefined
  readonly lastUsed: Date | undefined
  /** The key that it has taken the place of. */
  readonly previous: PreviousCredential | undefined
  readonly calls: number
}

/** In the order of the configuration. Throws `invalid` `broker-state`. */
export function reportOf(config: BrokerConfig, now: Date): readonly IntegrationReport[] {
  const { records } = readState(statePath(config.dataDir))
  return config.integrations.map((integration) => {
    const { id, owner, maxAgeSeconds } = integration
    const record = records.get(id)
    const since = record?.since
    const endsAt =
      since !== undefined && maxAgeSeconds !== undefined
        ? new Date(since.getTime() + maxAgeSeconds * 1000)
        : undefined
    const state = stateOf(integration, record, endsAt, now)
    return {
      id,
      owner,
      state,
      since,
      endsAt,
      lastUsed: record?.lastUsed,
      previous: record?.previous,
      calls: record?.calls ?? 0,
    }
  })
}

function stateOf(
  { disabled, reopenedAt }: Integration,
  record: CredentialRecord | undefined,
  endsAt: Date | undefined,
  now: Date,
): IntegrationReport['state'] {
  if (disabled) return 'disabled'
  if (isClosed(record, reopenedAt)) return 'closed'
  if (record === undefined) return 'new'
  return endsAt !== undefined && endsAt < now ? 'old' : 'open'
}

/**
 * One line for the file that `secret.sealed` of this integration names. Throws `not-found` `integration-unknown`, and
 * as `fileKeyManager` and `readSecret`.
 */
export async function sealFor(
  config: BrokerConfig,
  integration: string,
  secret: string,
): Promise<string> {
  const known = config.integrations.map(({ id }) => id)
  const found = config.integrations.find(({ id }) => id === integration)
  if (found === undefined) {
    const meant = nearest(integration, known)
    throw new CountersignError('not-found', `there is no integration ${integration}`, {
      reason: 'integration-unknown',
      fix: meant === undefined ? `name one of ${known.join(', ')}` : `did you mean ${meant}?`,
    })
  }
  return sealSecret(secret, found, await fileKeyManager(config.wrappingKey))
}
