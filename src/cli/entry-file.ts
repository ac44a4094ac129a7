import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { parseSelector } from '../entry/selector.ts'
import { CountersignError } from '../errors.ts'
import type { RegisteredEntry$Input } from '../rpc/gen/countersign/registry/v1/RegisteredEntry.ts'
import { wireId } from './entry-flags.ts'

const maxFileBytes = 64 << 20

const strings = z.array(z.string()).default([])
const text = z.string().default('')
const flag = z.boolean().default(false)

/** An entry as `entry list -o json` prints it; only ID, parent and selectors must be there. */
const entrySchema = z.strictObject({
  id: text,
  spiffeId: z.string(),
  parentId: z.string(),
  selectors: z.array(z.string()),
  owner: text,
  purpose: text,
  labels: z.record(z.string(), z.string()).default({}),
  x509SvidTtlSeconds: z.number().int().default(0),
  jwtSvidTtlSeconds: z.number().int().default(0),
  federatesWith: strings,
  dnsNames: strings,
  admin: flag,
  downstream: flag,
  storeSvid: flag,
  hint: text,
  disableX509SvidPrefetch: flag,
  jwtSvidIncludeJti: flag,
  jwtSvidSingleUse: flag,
  expiresAt: z.iso.datetime({ offset: true }).nullable().default(null),
  disabledAt: z.iso.datetime({ offset: true }).nullable().default(null),
  createdAt: text,
  revision: z.number().int().default(0),
})

const fileSchema = z.union([z.array(entrySchema), entrySchema.transform((one) => [one])])

/** Reads a JSON file of entries. Throws `invalid` / `entry-file` naming the place. */
export function readEntryFile(path: string): RegisteredEntry$Input[] {
  const result = fileSchema.safeParse(readJson(path))
  if (!result.success) {
    const issue = result.error.issues[0]
    throw new CountersignError(
      'invalid',
      `${path}: ${issue?.path.join('.') || 'the file'}: ${issue?.message}`,
      {
        reason: 'entry-file',
        fix: 'give a list of entries as "countersign entry list -o json" prints it',
      },
    )
  }
  return result.data.map((entry) => ({
    entry: {
      id: entry.id,
      spiffe_id: wireId(entry.spiffeId),
      parent_id: wireId(entry.parentId),
      selectors: entry.selectors.map(parseSelector).map(({ type, value }) => ({ type, value })),
      x509_svid_ttl: entry.x509SvidTtlSeconds,
      jwt_svid_ttl: entry.jwtSvidTtlSeconds,
      federates_with: entry.federatesWith,
      dns_names: entry.dnsNames,
      admin: entry.admin,
      downstream: entry.downstream,
      store_svid: entry.storeSvid,
      hint: entry.hint,
      expires_at: entry.expiresAt === null ? 0 : Math.floor(Date.parse(entry.expiresAt) / 1000),
      additional_attributes: {
        disable_x509_svid_prefetch: entry.disableX509SvidPrefetch,
        jwt_svid_include_jti: entry.jwtSvidIncludeJti,
      },
    },
    owner: entry.owner,
    purpose: entry.purpose,
    labels: entry.labels,
    jwt_svid_single_use: entry.jwtSvidSingleUse,
    disabled_at: entry.disabledAt === null ? 0 : Math.floor(Date.parse(entry.disabledAt) / 1000),
  }))
}

function readJson(path: string): unknown {
  try {
    const content = readFileSync(path === '-' ? 0 : path, 'utf8')
    if (content.length > maxFileBytes) throw new Error('larger than 64 MiB')
    return JSON.parse(content)
  } catch (error) {
    throw new CountersignError(
      'invalid',
      `cannot read ${path}: ${error instanceof Error ? error.message : 'unreadable'}`,
      { reason: 'entry-file', fix: 'name a JSON file, or - for standard input' },
    )
  }
}
