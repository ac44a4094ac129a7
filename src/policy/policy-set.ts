import { hash } from 'node:crypto'
import { type DetailedError, policySetTextToParts, validate } from '@cedar-policy/cedar-wasm/nodejs'
import { CountersignError } from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { Slice } from '../runtime/slice.ts'
import { builtInPrefix } from './built-in.ts'
import { type Policy, readPolicy } from './policy.ts'
import { checkBounds, maxPolicyChars } from './policy-bounds.ts'
import { cedarSchema } from './schema.ts'

export interface PolicyFile {
  readonly name: string
  readonly text: string
}

/** SHA-256 of names and texts, in their order; lower-case hex. */
export function policyRevision(files: readonly PolicyFile[]): string {
  const plain = files.map(({ name, text }) => ({ name, text }))
  return hash('sha256', JSON.stringify(plain), 'hex')
}

/** By `@id`. Each has been checked against the schema. */
export type PolicySet = ReadonlyMap<string, Policy>

const maxPolicies = 4096
const idPattern = /^[A-Za-z0-9._-]{1,128}$/
const maxFaults = 8
/** Checked in one go, where they are no longer than the longest policy may be: some milliseconds. */
const batch = 16
/** Of what Cedar says of a fault, which quotes names that it does not know. */
const maxFaultChars = 500

/**
 * Reads the policies of all files as one set, each by its annotation `@id`, and lets others have their turn meanwhile.
 * What the schema's checker only warns of, such as a policy that can never apply, is refused as well. Throws
 * `invalid`: `policy-complex`, `policy-syntax`, `policy-template`, `policy-id`, `policy-entity`, `policy-count`, `policy-schema`, each with file and place.
 */
export async function readPolicySet(
  files: readonly PolicyFile[],
  clock: Clock,
): Promise<PolicySet> {
  const slice = new Slice(clock)
  const set = new Map<string, Policy>()
  for (const file of files) {
    checkBounds(file)
    for (const text of partsOf(file)) {
      const policy = policyIn(file, text)
      const { id } = policy
      if (set.has(id)) refuse('policy-id', `${file.name}: there are two policies ${id}`)
      set.set(id, policy)
      if (set.size > maxPolicies) {
        refuse('policy-count', `there are more than ${maxPolicies} policies`)
      }
      if (slice.isOver) await slice.rest()
    }
  }
  await checkAgainstSchema([...set.values()], slice)
  return set
}

function partsOf({ name, text }: PolicyFile): readonly string[] {
  const parts = policySetTextToParts(text)
  if (parts.type === 'failure') {
    const [error] = parts.errors
    const start = error?.sourceLocations?.[0]?.start
    const before = start === undefined ? '' : Buffer.from(text).subarray(0, start).toString()
    return refuse('policy-syntax', `${placeOf(name, before)}: ${textOf(error)}`)
  }
  if (parts.policy_templates.length > 0) {
    return refuse('policy-template', `${name}: a template is no policy; write it out`)
  }
  return parts.policies
}

/** No policy's text is part of another's, but where one lacks the `@id` of the other. */
function policyIn(file: PolicyFile, text: string): Policy {
  const place = placeOf(file.name, file.text.slice(0, Math.max(0, file.text.indexOf(text))))
  const policy = readPolicy(text, place)
  if (policy === undefined || !idPattern.test(policy.id)) {
    const start = text.slice(0, 60).replaceAll(/\s+/g, ' ')
    return refuse(
      'policy-id',
      `${file.name}: a policy has no @id("…") of letters, digits, . _ and - before it: ${start}`,
    )
  }
  if (policy.id.startsWith(builtInPrefix)) {
    refuse('policy-id', `${place}: ids that begin with ${builtInPrefix} are taken: ${policy.id}`)
  }
  return policy
}

async function checkAgainstSchema(policies: readonly Policy[], slice: Slice): Promise<void> {
  const faults: string[] = []
  for (const some of batchesOf(policies)) {
    if (faults.length >= maxFaults) break
    const staticPolicies = Object.fromEntries(some.map(({ id, text }) => [id, text]))
    const answer = validate({ schema: cedarSchema, policies: { staticPolicies } })
    if (answer.type === 'failure') faults.push(...answer.errors.map(textOf))
    else {
      const found = [...answer.validationErrors, ...answer.validationWarnings]
      const places = new Map(some.map(({ id, place }) => [id, place]))
      faults.push(
        ...found.map(({ policyId, error }) => `${places.get(policyId)}: ${textOf(error)}`),
      )
    }
    if (slice.isOver) await slice.rest()
  }
  if (faults.length > 0) refuse('policy-schema', faults.slice(0, maxFaults).join('; '))
}

function* batchesOf(policies: readonly Policy[]): Generator<readonly Policy[]> {
  let some: Policy[] = []
  let chars = 0
  for (const policy of policies) {
    if (some.length === batch || (some.length > 0 && chars + policy.text.length > maxPolicyChars)) {
      yield some
      some = []
      chars = 0
    }
    some.push(policy)
    chars += policy.text.length
  }
  if (some.length > 0) yield some
}

function textOf(error: DetailedError | undefined): string {
  if (error === undefined) return 'not a policy'
  const text = error.help === null ? error.message : `${error.message} (${error.help})`
  return text.length <= maxFaultChars ? text : `${text.slice(0, maxFaultChars).toWellFormed()}…`
}

/** `FILE:LINE`, counted from 1. */
function placeOf(name: string, before: string): string {
  return `${name}:${before.split('\n').length}`
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, {
    reason,
    fix: 'correct it, and try it with: countersign policy check FOLDER',
  })
}
