import { createHmac } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { CountersignError } from '../../src/errors.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Secret } from '../../src/runtime/secret.ts'
import type { SealingKey } from './secrets.ts'

/** What is known of an integration's credential; not the credential. */
export interface CredentialRecord {
  readonly owner: string
  /** HMAC-SHA-256, hex, under a key of this broker's own. */
  readonly fingerprint: string
  /** When it was first seen here, or when the vendor issued it. */
  readonly since: Date
  readonly maxAgeSeconds: number | undefined
  readonly lastUsed: Date | undefined
  readonly calls: number
  /** When a revocation shut the integration; a later `reopened` of its settings opens it. */
  readonly closedAt: Date | undefined
}

/** Whether a revocation has shut the integration, and nobody has opened it again since. */
export function isClosed(
  record: CredentialRecord | undefined,
  reopenedAt: Date | undefined,
): boolean {
  const closedAt = record?.closedAt
  return closedAt !== undefined && (reopenedAt === undefined || reopenedAt <= closedAt)
}

export interface Credentials {
  /**
   * Takes the credentials that are in use from now on. Throws `conflict` `credential-shared` where one is that of
   * another integration, now or before; then nothing changes.
   */
  admit(held: readonly HeldCredential[]): void
  record(integration: string): CredentialRecord | undefined
  /** The integration was used just now. */
  used(integration: string): void
  close(integration: string, at: Date): void
  /** Writes what has changed. */
  flush(): void
}

/** Whose a credential is that was seen once; `since` is not known of what older versions wrote down. */
interface Holder {
  readonly integration: string
  readonly since: Date | undefined
}

export interface HeldCredential {
  readonly integration: string
  readonly owner: string
  readonly secret: Secret
  readonly issuedAt: Date | undefined
  readonly maxAgeSeconds: number | undefined
}

const instant = z.iso.datetime().transform((text) => new Date(text))
const recordSchema = z.strictObject({
  owner: z.string(),
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  since: instant,
  maxAgeSeconds: z.number().optional(),
  lastUsed: instant.optional(),
  calls: z.number().int().min(0),
  closedAt: instant.optional(),
})
const fileSchema = z.strictObject({
  version: z.literal(1),
  integrations: z.record(z.string().regex(/^[a-z0-9-]{1,64}$/), recordSchema),
  /** Whose each credential is that was ever seen, the oldest first, and since when. */
  fingerprints: z.array(
    z.tuple([z.string().regex(/^[0-9a-f]{64}$/), z.string(), instant.optional()]),
  ),
})
const maxFingerprints = 10_000

/** Where a broker keeps what it knows of its credentials. */
export function statePath(dataDir: string): string {
  return join(dataDir, 'credentials.json')
}

/** What a broker wrote down of its credentials. Throws `invalid` `broker-state`. */
export function readCredentials(path: string): ReadonlyMap<string, CredentialRecord> {
  return new Map(
    Object.entries(readState(path).integrations).map(([name, one]) => [name, asRecord(one)]),
  )
}

/** Throws `invalid` `broker-state`. */
export function openCredentials(path: string, keys: SealingKey, clock: Clock): Credentials {
  const state = readState(path)
  const fingerprintKey = keys.deriveKey('broker fingerprints')
  const fingerprintOf = (secret: Secret): string =>
    createHmac('sha256', fingerprintKey).update(secret.reveal()).digest('hex')
  let records = new Map(
    Object.entries(state.integrations).map(([name, one]): [string, CredentialRecord] => [
      name,
      asRecord(one),
    ]),
  )
  let holders = new Map(
    state.fingerprints.map(([fingerprint, integration, since]): [string, Holder] => [
      fingerprint,
      { integration, since },
    ]),
  )
  let dirty = false

  const flush = (): void => {
    if (!dirty) return
    const text = JSON.stringify({
      version: 1,
      integrations: Object.fromEntries(records),
      fingerprints: [...holders]
        .slice(-maxFingerprints)
        .map(([fingerprint, { integration, since }]) =>
          since === undefined ? [fingerprint, integration] : [fingerprint, integration, since],
        ),
    })
    writeFileSync(`${path}.new`, `${text}\n`, { mode: 0o600, flush: true })
    renameSync(`${path}.new`, path)
    dirty = false
  }
  const change = (integration: string, changed: Partial<CredentialRecord>): void => {
    const before = records.get(integration)
    if (before === undefined) return
    records.set(integration, { ...before, ...changed })
    dirty = true
  }
  return {
    admit(held) {
      const nextHolders = new Map(holders)
      // Of an integration that is left out nothing is forgotten: it may come back.
      const next = new Map(records)
      for (const { integration, owner, secret, issuedAt, maxAgeSeconds } of held) {
        const fingerprint = fingerprintOf(secret)
        const holder = nextHolders.get(fingerprint)
        if (holder !== undefined && holder.integration !== integration) {
          throw shared(integration, holder.integration)
        }
        const before = records.get(integration)
        const known = before?.fingerprint === fingerprint ? before.since : holder?.since
        const seen = known ?? clock.now()
        const since = issuedAt !== undefined && issuedAt < seen ? issuedAt : seen
        nextHolders.set(fingerprint, { integration, since })
        next.set(integration, {
          owner,
          fingerprint,
          since,
          maxAgeSeconds,
          lastUsed: before?.lastUsed,
          calls: before?.calls ?? 0,
          closedAt: before?.closedAt,
        })
      }
      records = next
      holders = nextHolders
      dirty = true
      flush()
    },
    record: (integration) => records.get(integration),
    used(integration) {
      change(integration, {
        lastUsed: clock.now(),
        calls: (records.get(integration)?.calls ?? 0) + 1,
      })
    },
    close(integration, at) {
      change(integration, { closedAt: at })
      flush()
    },
    flush,
  }
}

function readState(path: string): z.output<typeof fileSchema> {
  if (!existsSync(path)) return { version: 1, integrations: {}, fingerprints: [] }
  try {
    return fileSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (cause) {
    throw new CountersignError('invalid', `${path} is not what a broker wrote`, {
      reason: 'broker-state',
      fix: 'restore it; without it the age of each credential counts from now, unless issued says otherwise',
      cause,
    })
  }
}

function asRecord(one: z.output<typeof recordSchema>): CredentialRecord {
  const { owner, fingerprint, since, calls } = one
  const { maxAgeSeconds, lastUsed, closedAt } = one
  return { owner, fingerprint, since, calls, maxAgeSeconds, lastUsed, closedAt }
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
