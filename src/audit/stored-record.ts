import { z } from 'zod'

/** A record as it is read back, by whatever version it was written. Nothing in it is verified. */
export interface StoredRecord {
  readonly n: number
  /** ISO 8601, UTC. */
  readonly time: string
  readonly kind: string
  readonly actor: StoredActor
  readonly spiffeId?: string | undefined
  readonly subject?: string | undefined
  readonly actors?: readonly string[] | undefined
  readonly transaction?: string | undefined
  readonly parentJti?: string | undefined
  readonly entryId?: string | undefined
  readonly serial?: string | undefined
  readonly jti?: string | undefined
  readonly grant?: string | undefined
  readonly audience?: readonly string[] | undefined
  readonly scope?: readonly string[] | undefined
  readonly ttlSeconds?: number | undefined
  readonly confirmation?: string | undefined
  readonly authorityId?: string | undefined
  readonly expiresAt?: string | undefined
  readonly owner?: string | undefined
  readonly purpose?: string | undefined
  readonly resourceOwner?: string | undefined
  readonly decision: string
  readonly reason?: string | undefined
  readonly policies?: readonly string[] | undefined
  readonly policyRevision?: string | undefined
  readonly cached?: boolean | undefined
  readonly requestId?: string | undefined
  readonly trace?: string | undefined
  readonly details?: Readonly<Record<string, string | number | boolean>> | undefined
}

export interface StoredActor {
  readonly kind: string
  readonly id?: string | undefined
  readonly entryId?: string | undefined
  readonly owner?: string | undefined
  readonly node?: string | undefined
  readonly auth?: string | undefined
  readonly uid?: number | undefined
  readonly pid?: number | undefined
  readonly address?: string | undefined
  readonly serial?: string | undefined
  readonly thumbprint?: string | undefined
}

const text = z.string().optional()
const texts = z.array(z.string()).optional()

const schema: z.ZodType<StoredRecord> = z.object({
  n: z.int().min(1),
  time: z.string(),
  kind: z.string(),
  actor: z.object({
    kind: z.string(),
    id: text,
    entryId: text,
    owner: text,
    node: text,
    auth: text,
    uid: z.number().optional(),
    pid: z.number().optional(),
    address: text,
    serial: text,
    thumbprint: text,
  }),
  spiffeId: text,
  subject: text,
  actors: texts,
  transaction: text,
  parentJti: text,
  entryId: text,
  serial: text,
  jti: text,
  grant: text,
  audience: texts,
  scope: texts,
  ttlSeconds: z.number().optional(),
  confirmation: text,
  authorityId: text,
  expiresAt: text,
  owner: text,
  purpose: text,
  resourceOwner: text,
  decision: z.string(),
  reason: text,
  policies: texts,
  policyRevision: text,
  cached: z.boolean().optional(),
  requestId: text,
  trace: text,
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).optional(),
})

/** Undefined where the line is no record. */
export function readRecord(line: string): StoredRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  const record = schema.safeParse(value).data
  return record === undefined ? undefined : asOfNow(record)
}

/** Older versions had some members of a token among the details. */
function asOfNow(record: StoredRecord): StoredRecord {
  const { scope, policies, policyRevision, auth, txn } = record.details ?? {}
  const words = (value: unknown): string[] | undefined =>
    typeof value === 'string' ? value.split(' ') : undefined
  const word = (value: unknown): string | undefined =>
    typeof value === 'string' ? value : undefined
  return {
    ...record,
    actor: { ...record.actor, auth: record.actor.auth ?? word(auth) },
    scope: record.scope ?? words(scope),
    policies: record.policies ?? words(policies),
    policyRevision: record.policyRevision ?? word(policyRevision),
    transaction: record.transaction ?? word(txn),
  }
}
