import { dirname, resolve } from 'node:path'
import { z } from 'zod'
import { readConfigFile } from '../runtime/config-file.ts'
import { duration, parsedBy } from '../runtime/config-value.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { revocableKinds } from './question.ts'
import type { StatedQuestion } from './stated-question.ts'

/** Questions with the answers that policies are meant to give. */
export interface CaseFile {
  /** Folder of the policies. */
  readonly policies: string
  readonly separateEnvironments: boolean
  readonly cases: readonly PolicyCase[]
}

export interface PolicyCase {
  readonly name: string
  readonly question: StatedQuestion
  /** When it is asked; undefined: now. */
  readonly time: Date | undefined
  readonly expect: 'allow' | 'deny'
  /** Ids of those that are to decide; undefined: any. */
  readonly by: readonly string[] | undefined
}

const word = z.string().min(1).max(2048)
const words = z.array(word).max(256)
const target = z.union([
  word.transform((id) => ({ id })),
  z.strictObject({ id: word, owner: word.optional(), env: word.optional() }),
])
const policyCase = z.strictObject({
  name: word,
  action: z.enum(['issueToken', 'exchangeToken', 'callVendor', 'revoke']).default('issueToken'),
  entry: z
    .strictObject({
      id: parsedBy(SpiffeId.parse),
      owner: z.string().default(''),
      purpose: z.string().default(''),
      labels: z.record(z.string(), z.string()).default({}),
    })
    .optional(),
  operator: word.optional(),
  resource: target.optional(),
  integration: target.optional(),
  scopes: words.optional(),
  ttl: duration.optional(),
  auth: word.optional(),
  address: word.optional(),
  subject: word.optional(),
  actors: words.optional(),
  audience: word.optional(),
  method: word.optional(),
  path: word.optional(),
  revoke: z
    .strictObject({
      kind: z.enum(['token', ...revocableKinds]),
      id: word,
      client: word.optional(),
      audience: word.optional(),
      owner: word.optional(),
    })
    .optional(),
  time: z.iso.datetime({ offset: true }).optional(),
  expect: z.enum(['allow', 'deny']),
  by: words.optional(),
})
const caseFile = z.strictObject({
  policies: word.default('.'),
  separate_environments: z.boolean().default(true),
  cases: z.array(policyCase).min(1).max(10_000),
})

/** Reads a YAML file of cases. Throws as `readConfigFile`. */
export function readCaseFile(path: string): CaseFile {
  const { policies, separate_environments, cases } = readConfigFile(path, caseFile)
  return {
    policies: resolve(dirname(path), policies),
    separateEnvironments: separate_environments,
    cases: cases.map(({ name, time, expect, by, ...question }) => ({
      name,
      question,
      time: time === undefined ? undefined : new Date(time),
      expect,
      by,
    })),
  }
}
