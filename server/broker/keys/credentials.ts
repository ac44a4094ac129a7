import { createHmac } from 'node:crypto'
import { CountersignError } from '../../../src/errors.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import type { Secret } from '../../../src/runtime/secret.ts'
import type { Integration } from '../settings.ts'
import {
  type CredentialRecord,
  type PreviousCredential,
  readState,
  writeState,
} from './credential-file.ts'
import type { SealingKey } from './secrets.ts'

/** What is known of the credentials that a broker has, and written down as it changes. */
export interface Credentials {
  /**
   * Which of these are not in use yet. Throws `conflict` `credential-shared` where one is that of another integration,
   * now or before.
   */
  newAmong(held: readonly HeldCredential[]): readonly NewCredential[]
  /** Throws where what is known cannot be written down. */
  checkWritable(): void
  /** Takes the credentials that are in use from now on. Throws as `newAmong` and `checkWritable`; then nothing changes. */
  admit(held: readonly HeldCredential[]): void
  record(integration: string): CredentialRecord | undefined
  /** A call was sent just now with the key that the integration has; or once more, with the one before. */
  used(integration: string, key: 'current' | 'previous'): void
  close(integration: string, at: Date): void
  /** Writes what has changed. */
  flush(): void
}

/** An integration, and the secret that was found for it. */
export interface HeldCredential {
  readonly integration: Pick<
    Integration,
    'id' | 'audience' | 'owner' | 'issuedAt' | 'maxAgeSeconds'
  >
  readonly secret: Secret
}

export interface NewCredential {
  readonly integration: HeldCredential['integration']
  readonly since: Date
  /** Whether the integration has had another. */
  readonly replaces: boolean
}

/** Whether a revocation has shut the integration, and nobody has opened it again since. */
export function isClosed(
  record: CredentialRecord | undefined,
  reopenedAt: Date | undefined,
): boolean {
  const closedAt = record?.closedAt
  return closedAt !== undefined && (reopenedAt === undefined || reopenedAt <= closedAt)
}

/** Throws `invalid` `broker-state`. */
export function openCredentials(path: string, keys: SealingKey, clock: Clock): Credentials {
  let { records, holders } = readState(path)
  const fingerprintKey = keys.deriveKey('broker fingerprints')
  const fingerprintOf = (secret: Secret): string =>
    createHmac('sha256', fingerprintKey).update(secret.reveal()).digest('hex')
  let dirty = false

  const write = (): void => {
    writeState(path, { records, holders })
    dirty = false
  }
  const flush = (): void => {
    if (dirty) write()
  }
  const change = (
    integration: string,
    changed: (before: CredentialRecord) => Partial<CredentialRecord>,
  ): void => {
    const before = records.get(integration)
    if (before === undefined) return
    records.set(integration, { ...before, ...changed(before) })
    dirty = true
  }
  const next = (held: readonly HeldCredential[]) => {
    const nextHolders = new Map(holders)
    // Of an integration that is left out nothing is forgotten: it may come back.
    const nextRecords = new Map(records)
    for (const { integration, secret } of held) {
      const { id, owner, issuedAt, maxAgeSeconds } = integration
      const fingerprint = fingerprintOf(secret)
      const holder = nextHolders.get(fingerprint)
      if (holder !== undefined && holder.integration !== id) {
        throw shared(id, holder.integration)
      }
      const before = records.get(id)
      const same = before?.fingerprint === fingerprint
      const older = same ? before.previous : before
      const seen = (same ? before.since : holder?.since) ?? clock.now()
      // What says when the older one was issued may have been left where it stands.
      const isMeant = older === undefined || (issuedAt !== undefined && issuedAt > older.since)
      const since = isMeant && issuedAt !== undefined && issuedAt < seen ? issuedAt : seen
      // To the end: of those that were ever seen the first to be forgotten is never one that is in use.
      nextHolders.delete(fingerprint)
      nextHolders.set(fingerprint, { integration: id, since })
      nextRecords.set(id, {
        ...{ owner, fingerprint, since, maxAgeSeconds },
        lastUsed: same ? before.lastUsed : undefined,
        calls: before?.calls ?? 0,
        closedAt: before?.closedAt,
        previous: same ? before.previous : before && replaced(before, clock.now()),
      })
    }
    return { records: nextRecords, holders: nextHolders }
  }
  return {
    newAmong(held) {
      const { records: after } = next(held)
      return held.flatMap(({ integration }) => {
        const before = records.get(integration.id)
        const now = after.get(integration.id)
        if (now === undefined || now.fingerprint === before?.fingerprint) return []
        return [{ integration, since: now.since, replaces: before !== undefined }]
      })
    },
    checkWritable: write,
    admit(held) {
      const after = next(held)
      writeState(path, after)
      records = after.records
      holders = after.holders
      dirty = false
    },
    record: (integration) => records.get(integration),
    used(integration, key) {
      const lastUsed = clock.now()
      change(integration, ({ calls, previous }) =>
        key === 'current'
          ? { lastUsed, calls: calls + 1 }
          : { previous: previous && { ...previous, lastUsed } },
      )
    },
    close(integration, closedAt) {
      change(integration, () => ({ closedAt }))
      flush()
    },
    flush,
  }
}

function replaced({ since, lastUsed }: CredentialRecord, replacedAt: Date): PreviousCredential {
  return { since, lastUsed, replacedAt }
}

function shared(integration: string, holder: string): CountersignError {
  return new CountersignError(
    'conflict',
    `the secret of ${integration} is that of the integration ${holder}`,
    {
      reason: 'credential-shared',
      fix: 'have the vendor issue a key of its own for each integration',
    },
  )
}
