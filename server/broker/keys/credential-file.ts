import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { CountersignError } from '../../../src/errors.ts'
import { replaceFile } from '../../../src/runtime/replace-file.ts'

/** What is known of an integration's credential; not the credential. */
export interface CredentialRecord {
  readonly owner: string
  /** HMAC-SHA-256, hex, under a key of this broker's own. */
  readonly fingerprint: string
  /** When it was first seen here, or when the vendor issued it. */
  readonly since: Date
  readonly maxAgeSeconds: number | undefined
  readonly lastUsed: Date | undefined
  /** Of the integration, by whichever key. */
  readonly calls: number
  /** When a revocation shut the integration; a later `reopened` of its settings opens it. */
  readonly closedAt: Date | undefined
  /** The credential that it has taken the place of. */
  readonly previous: PreviousCredential | undefined
}

export interface PreviousCredential {
  readonly since: Date
  readonly replacedAt: Date
  readonly lastUsed: Date | undefined
}

/** Whose a credential is that was seen once; `since` is not known of what older versions wrote down. */
export interface Holder {
  readonly integration: string
  readonly since: Date | undefined
}

/** What a broker writes down: by integration, and by fingerprint of each credential that was ever seen, the oldest first. */
export interface CredentialState {
  readonly records: Map<string, CredentialRecord>
  readonly holders: Map<string, Holder>
}

const instant = z.iso.datetime().transform((text) => new Date(text))
const fingerprint = z.string().regex(/^[0-9a-f]{64}$/)
const recordSchema = z.strictObject({
  owner: z.string(),
  fingerprint,
  since: instant,
  maxAgeSeconds: z.number().optional(),
  lastUsed: instant.optional(),
  calls: z.number().int().min(0),
  closedAt: instant.optional(),
  previous: z
    .strictObject({ since: instant, replacedAt: instant, lastUsed: instant.optional() })
    .optional(),
})
const fileSchema = z.strictObject({
  version: z.literal(1),
  integrations: z.record(z.string().regex(/^[a-z0-9-]{1,64}$/), recordSchema),
  fingerprints: z.array(z.tuple([fingerprint, z.string(), instant.optional()])),
})
const maxFingerprints = 10_000

/** Where a broker keeps what it knows of its credentials. */
export function statePath(dataDir: string): string {
  return join(dataDir, 'credentials.json')
}

/** Nothing where there is no file. Throws `invalid` `broker-state`. */
export function readState(path: string): CredentialState {
  if (!existsSync(path)) return { records: new Map(), holders: new Map() }
  try {
    const { integrations, fingerprints } = fileSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
    return {
      records: new Map(Object.entries(integrations).map(([id, one]) => [id, asRecord(one)])),
      holders: new Map(
        fingerprints.map(([of, integration, since]): [string, Holder] => [
          of,
          { integration, since },
        ]),
      ),
    }
  } catch (cause) {
    throw new CountersignError('invalid', `${path} is not what a broker wrote`, {
      reason: 'broker-state',
      fix: 'restore it; without it the age of each credential counts from now, unless issued says otherwise',
      cause,
    })
  }
}

function asRecord(one: z.output<typeof recordSchema>): CredentialRecord {
  const { maxAgeSeconds, lastUsed, closedAt, previous } = one
  return {
    ...one,
    ...{ maxAgeSeconds, lastUsed, closedAt },
    previous: previous && { ...previous, lastUsed: previous.lastUsed },
  }
}

/** Whole or not at all. */
export function writeState(path: string, { records, holders }: CredentialState): void {
  const text = JSON.stringify({
    version: 1,
    integrations: Object.fromEntries(records),
    fingerprints: [...holders]
      .slice(-maxFingerprints)
      .map(([of, { integration, since }]) =>
        since === undefined ? [of, integration] : [of, integration, since],
      ),
  })
  replaceFile(path, `${text}\n`)
}
