import {
  type DetailedError,
  policySetTextToParts,
  policyToJson,
  validate,
} from '@cedar-policy/cedar-wasm/nodejs'
import { CountersignError } from '../errors.ts'
import { builtInPrefix } from './built-in.ts'
import { cedarSchema } from './schema.ts'

export interface PolicyFile {
  readonly name: string
  readonly text: string
}

/** Each policy's text by its `@id`. It has been checked against the schema. */
export type PolicySet = ReadonlyMap<string, string>

const maxPolicies = 4096
const idPattern = /^[A-Za-z0-9._-]{1,128}$/

/**
 * Reads the policies of all files as one set, each by its annotation `@id`. What the schema's checker only warns of,
 * such as a policy that can never apply, is refused as well. Throws `invalid`: `policy-syntax`,
 * `policy-template`, `policy-id`, `policy-count`, `policy-schema`, each with file and place.
 */
export function readPolicySet(files: readonly PolicyFile[]): PolicySet {
  const set = new Map<string, string>()
  for (const file of files) {
    for (const text of partsOf(file)) {
      const id = idOf(text, file)
      if (id.startsWith(builtInPrefix)) {
        refuse('policy-id', `${file.name}: ids that begin with ${builtInPrefix} are taken: ${id}`)
      }
      if (set.has(id)) refuse('policy-id', `${file.name}: there are two policies ${id}`)
      set.set(id, text)
    }
  }
  if (set.size > maxPolicies) refuse('policy-count', `there are more than ${maxPolicies} policies`)
  checkAgainstSchema(set)
  return set
}

function partsOf({ name, text }: PolicyFile): readonly string[] {
  const parts = policySetTextToParts(text)
  if (parts.type === 'failure') {
    const [error] = parts.errors
    return refuse('policy-syntax', `${name}${placeIn(text, error)}: ${textOf(error)}`)
  }
  if (parts.policy_templates.length > 0) {
    return refuse('policy-template', `${name}: a template is no policy; write it out`)
  }
  return parts.policies
}

function idOf(text: string, { name }: PolicyFile): string {
  const read = policyToJson(text)
  const id = read.type === 'success' ? read.json.annotations?.['id'] : undefined
  if (id !== undefined && idPattern.test(id)) return id
  const start = text.slice(0, 60).replaceAll(/\s+/g, ' ')
  return refuse('policy-id', `${name}: a policy has no @id of letters, digits, . _ and -: ${start}`)
}

function checkAgainstSchema(set: PolicySet): void {
  const answer = validate({
    schema: cedarSchema,
    policies: { staticPolicies: Object.fromEntries(set) },
  })
  const found =
    answer.type === 'failure'
      ? answer.errors
      : [...answer.validationErrors, ...answer.validationWarnings].map(({ error }) => error)
  if (found.length > 0) refuse('policy-schema', found.slice(0, 8).map(textOf).join('; '))
}

function textOf(error: DetailedError | undefined): string {
  if (error === undefined) return 'not a policy'
  return error.help === null ? error.message : `${error.message} (${error.help})`
}

/** `:LINE`, counted from 1. */
function placeIn(text: string, error: DetailedError | undefined): string {
  const start = error?.sourceLocations?.[0]?.start
  return start === undefined
    ? ''
    : `:${Buffer.from(text).subarray(0, start).toString().split('\n').length}`
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, {
    reason,
    fix: 'correct it, and try it with: countersign policy check FOLDER',
  })
}
