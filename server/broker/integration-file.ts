import { z } from 'zod'
import { CountersignError } from '../../src/errors.ts'
import { isPathPattern } from '../../src/request-target/path-pattern.ts'
import { duration, parsedBy, path } from '../../src/runtime/config-value.ts'
import { network } from '../oauth/reach-settings.ts'
import type { Rate } from './settings.ts'

export type SecretFile =
  | { readonly file: string }
  | { readonly env: string }
  | { readonly sealed: string }

export type InjectFile =
  | { readonly header: string; readonly prefix?: string | undefined }
  | { readonly query: string }
  | { readonly basic: string }

/** An integration of the config file, its durations in seconds. */
export interface IntegrationFile {
  readonly id: string
  readonly owner: string
  readonly upstream: string
  readonly ca?: string | undefined
  readonly networks?: readonly string[] | undefined
  readonly secret: SecretFile
  readonly inject: InjectFile
  readonly methods: readonly string[]
  readonly paths: readonly string[]
  readonly parameters?: readonly string[] | undefined
  readonly request_headers?: readonly string[] | undefined
  readonly rate?: Rate | undefined
  readonly rate_all?: Rate | undefined
  readonly max_age?: number | undefined
  readonly issued?: string | undefined
  readonly svid_alone?: boolean | undefined
  readonly require_bound?: boolean | undefined
  readonly disabled?: boolean | undefined
  readonly reopened?: string | undefined
  readonly max_request_bytes?: number | undefined
  readonly max_response_bytes?: number | undefined
  readonly timeout?: number | undefined
  readonly max_duration?: number | undefined
  readonly max_calls?: number | undefined
}

const fieldName = z.string().regex(/^[A-Za-z0-9-]{1,64}$/, 'a header’s name')
const visible = z.string().regex(/^[\x20-\x7e]{0,128}$/, 'printable ASCII')
const bytes = z
  .number()
  .int()
  .min(0)
  .max(1 << 30)
const rate = z.union([z.string(), z.number()]).transform(String).pipe(parsedBy(parseRate))
const method = z.enum(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

const secretSchema = z.union(
  [
    z.strictObject({ file: path }),
    z.strictObject({ env: z.string().regex(/^[A-Z][A-Z0-9_]{0,127}$/, 'a variable’s name') }),
    z.strictObject({ sealed: path }),
  ],
  'names no secret (write one of {file: PATH}, {env: NAME} and {sealed: PATH})',
)
const injectSchema = z.union(
  [
    z.strictObject({ header: fieldName, prefix: visible.optional() }),
    z.strictObject({ query: z.string().regex(/^[A-Za-z0-9._~-]{1,64}$/, 'a parameter’s name') }),
    z.strictObject({ basic: z.string().regex(/^[\x20-\x39\x3b-\x7e]{0,128}$/, 'a user’s name') }),
  ],
  'names no place for the key (write one of {header: NAME, prefix: TEXT}, {query: NAME} and {basic: USER})',
)

/** As an operator writes it. */
export const integrationSchema: z.ZodType<IntegrationFile> = z.strictObject({
  id: z.string().regex(/^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/, 'a word of a-z, 0-9 and -'),
  owner: z.string().min(1).max(256),
  upstream: z.string().max(2048),
  ca: path.optional(),
  networks: z.array(network).max(64).optional(),
  secret: secretSchema,
  inject: injectSchema,
  methods: z.array(method).min(1).max(7),
  paths: z
    .array(
      z
        .string()
        .max(1024)
        .refine(
          isPathPattern,
          'not a path that begins with /, with * for one segment and ** for all that follow',
        ),
    )
    .min(1)
    .max(256),
  parameters: z.array(z.string().min(1).max(256)).max(256).optional(),
  request_headers: z.array(fieldName).max(64).optional(),
  rate: rate.optional(),
  rate_all: rate.optional(),
  max_age: duration.optional(),
  issued: z.iso.date().optional(),
  svid_alone: z.boolean().optional(),
  require_bound: z.boolean().optional(),
  disabled: z.boolean().optional(),
  reopened: z.iso.datetime().optional(),
  max_request_bytes: bytes.optional(),
  max_response_bytes: bytes.optional(),
  timeout: duration.optional(),
  max_duration: duration.optional(),
  max_calls: z.number().int().min(1).max(10_000).optional(),
}) as z.ZodType<IntegrationFile>

/** `10/s`, `600/m`, `1000/h`; twice a second's share, and at least one call, may come at once. */
function parseRate(text: string): Rate {
  const [, count, unit] = /^([0-9]{1,7})\/(s|m|h)$/.exec(text) ?? []
  const perSecond = Number(count) / { s: 1, m: 60, h: 3600 }[(unit ?? 's') as 's' | 'm' | 'h']
  if (!(perSecond > 0)) {
    throw new CountersignError('invalid', 'not a rate', {
      reason: 'rate',
      fix: 'write it as 10/s, 600/m or 1000/h',
    })
  }
  return { perSecond, burst: Math.max(1, Math.ceil(perSecond * 2)) }
}
