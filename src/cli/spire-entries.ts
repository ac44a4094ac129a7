import { z } from 'zod'
import { CountersignError } from '../errors.ts'
import type { RegisteredEntry$Input } from '../rpc/gen/countersign/registry/v1/RegisteredEntry.ts'
import { chosen } from '../runtime/config-fix.ts'
import { parsedBy } from '../runtime/config-value.ts'
import { wireId } from './entry-flags.ts'

/*
 * Two files of SPIRE hold entries: what `spire-server entry show -output json` prints (IDs in parts,
 * 64-bit numbers as text), and what `spire-server entry create -data` reads (IDs as text).
 */

const id = z.union([
  parsedBy(wireId),
  z.strictObject({ trust_domain: z.string(), path: z.string() }),
])
const strings = z.array(z.string()).nullish()
const flag = z.boolean().nullish()
const whole = z
  .union([
    z.number().int(),
    z
      .string()
      .regex(/^\d{1,16}$/)
      .transform(Number),
  ])
  .nullish()

const entrySchema = z.strictObject({
  id: z.string().nullish(),
  entry_id: z.string().nullish(),
  spiffe_id: id,
  parent_id: id,
  selectors: z.array(z.strictObject({ type: z.string(), value: z.string() })),
  ttl: whole,
  x509_svid_ttl: whole,
  jwt_svid_ttl: whole,
  federates_with: strings,
  dns_names: strings,
  admin: flag,
  downstream: flag,
  store_svid: flag,
  hint: z.string().nullish(),
  expires_at: whole,
  entryExpiry: whole,
  additional_attributes: z
    .strictObject({ disable_x509_svid_prefetch: flag, jwt_svid_include_jti: flag })
    .nullish(),
  // The server's own, drawn anew here.
  revision_number: whole,
  created_at: whole,
})

const fileSchema = z.strictObject({
  entries: z.array(entrySchema),
  next_page_token: z.string().nullish(),
})

/** Throws `invalid` / `spire-file` naming the place. */
export function parseSpireEntries(path: string, text: string): readonly RegisteredEntry$Input[] {
  const result = fileSchema.safeParse(parseJson(path, text))
  if (!result.success) {
    const [issue] = result.error.issues.map(chosen)
    throw refused(`${path}: ${issue?.path.join('.') || 'the file'}: ${issue?.message}`)
  }
  return result.data.entries.map((entry) => ({
    entry: {
      id: entry.id ?? entry.entry_id ?? '',
      spiffe_id: entry.spiffe_id,
      parent_id: entry.parent_id,
      selectors: entry.selectors,
      x509_svid_ttl: entry.x509_svid_ttl ?? entry.ttl ?? 0,
      jwt_svid_ttl: entry.jwt_svid_ttl ?? 0,
      federates_with: entry.federates_with ?? [],
      dns_names: entry.dns_names ?? [],
      admin: entry.admin ?? false,
      downstream: entry.downstream ?? false,
      store_svid: entry.store_svid ?? false,
      hint: entry.hint ?? '',
      expires_at: entry.expires_at ?? entry.entryExpiry ?? 0,
      additional_attributes: {
        disable_x509_svid_prefetch:
          entry.additional_attributes?.disable_x509_svid_prefetch ?? false,
        jwt_svid_include_jti: entry.additional_attributes?.jwt_svid_include_jti ?? false,
      },
    },
  }))
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw refused(`${path} is not JSON`)
  }
}

function refused(message: string): CountersignError {
  return new CountersignError('invalid', message, {
    reason: 'spire-file',
    fix: 'give what "spire-server entry show -output json" prints, or a -data file of "spire-server entry create"',
  })
}
