import { randomUUID } from 'node:crypto'
import {
  type AuthorizationAnswer,
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
  type TypeAndId,
} from '@cedar-policy/cedar-wasm/nodejs'
import { CountersignError } from '../errors.ts'
import type { CedarRequest } from './cedar-request.ts'
import { entityKey, type Policy } from './policy.ts'
import type { PolicySet } from './policy-set.ts'
import { cedarSchema } from './schema.ts'

/** Evaluates a question by those policies of the set that its principal, action and resource leave possible. */
export interface PolicySlices {
  load(policies: PolicySet): void
  evaluate(request: CedarRequest): AuthorizationAnswer
}

interface Slice {
  /** By which Cedar knows it. */
  readonly name: string
  readonly size: number
}

/**
 * Cedar looks at each policy of a set in turn, so that a thousand cost milliseconds. Slices are made when they are
 * asked for first, and the least recently used give way: `maxParsed` policies are kept parsed at once, about 2 KiB each,
 * counted once for each slice that they are in, and each slice for one more.
 */
export function createPolicySlices(maxParsed = 32_768): PolicySlices {
  // Cedar keeps what was parsed by name, for the whole process, and forgets no name: names are used again.
  const schema: string = randomUUID()
  checkParsed(preparseSchema(schema, cedarSchema))
  let policies: readonly Policy[] = []
  let principals: ReadonlySet<string> = new Set()
  let resources: ReadonlySet<string> = new Set()
  const slices = new Map<string, Slice>()
  const names: string[] = []
  let parsed = 0

  const drop = (key: string, { name, size }: Slice): void => {
    slices.delete(key)
    checkParsed(preparsePolicySet(name, {}))
    names.push(name)
    parsed -= size
  }
  const make = (key: string, principal: string, action: string, resource: string): Slice => {
    const chosen = policies.filter(
      ({ head }) =>
        (head.principal ?? principal) === principal &&
        (head.actions?.has(action) ?? true) &&
        (head.resource ?? resource) === resource,
    )
    for (const [oldest, slice] of slices) {
      if (parsed + chosen.length + 1 <= maxParsed) break
      drop(oldest, slice)
    }
    const slice = { name: names.pop() ?? randomUUID(), size: chosen.length + 1 }
    const staticPolicies = Object.fromEntries(chosen.map(({ id, text }) => [id, text]))
    checkParsed(preparsePolicySet(slice.name, { staticPolicies }))
    parsed += slice.size
    slices.set(key, slice)
    return slice
  }
  return {
    load(set) {
      for (const [key, slice] of slices) drop(key, slice)
      policies = [...set.values()]
      principals = new Set(policies.flatMap(({ head }) => head.principal ?? []))
      resources = new Set(policies.flatMap(({ head }) => head.resource ?? []))
    },
    evaluate(request) {
      // Whom no policy names has one slice with all others like it.
      const principal = known(principals, request.principal as TypeAndId)
      const resource = known(resources, request.resource as TypeAndId)
      const action = (request.action as TypeAndId).id
      const key = JSON.stringify([principal, action, resource])
      const found = slices.get(key) ?? make(key, principal, action, resource)
      slices.delete(key)
      slices.set(key, found)
      return statefulIsAuthorized({
        ...request,
        preparsedSchemaName: schema,
        preparsedPolicySetId: found.name,
        validateRequest: true,
      })
    },
  }
}

function known(keys: ReadonlySet<string>, entity: TypeAndId): string {
  const key = entityKey(entity)
  return keys.has(key) ? key : ''
}

function checkParsed(answer: { readonly type: 'success' | 'failure' }): void {
  if (answer.type === 'success') return
  throw new CountersignError('internal', 'what was checked cannot be loaded', {
    reason: 'policy-load',
  })
}
