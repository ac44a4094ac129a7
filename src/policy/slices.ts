import type { AuthorizationAnswer } from '@cedar-policy/cedar-wasm/nodejs'
import { Recent } from '../runtime/recent.ts'
import type { CedarEntity, CedarQuestion, CedarRequest } from './cedar-request.ts'
import { createParsedSets } from './parsed-sets.ts'
import { entityKey, type Policy } from './policy.ts'
import type { PolicySet } from './policy-set.ts'
import { type Projection, projectionOn } from './projection.ts'

/** Finds for a question those policies of the set that its principal, action and resource leave possible. */
export interface PolicySlices {
  load(policies: PolicySet): void
  of(question: CedarQuestion): PolicySlice
}

export interface PolicySlice {
  /** No other slice of the set that is loaded has it. */
  readonly key: string
  /** What its policies look at. */
  readonly project: Projection
  evaluate(request: CedarRequest): AuthorizationAnswer
}

/** Some 1 KiB each. */
const maxSlices = 8192

/** Cedar looks at each policy of a set in turn, so that a thousand cost milliseconds. `maxParsed` as of `createParsedSets`. */
export function createPolicySlices(maxParsed?: number): PolicySlices {
  const parsed = createParsedSets(maxParsed)
  let policies: readonly Policy[] = []
  let principals: ReadonlySet<string> = new Set()
  let resources: ReadonlySet<string> = new Set()
  let slices = new Recent<string, PolicySlice>(maxSlices)

  const make = (key: string, principal: string, action: string, resource: string): PolicySlice => {
    const choose = (): readonly Policy[] =>
      policies.filter(
        ({ head }) =>
          (head.principal ?? principal) === principal &&
          (head.actions?.has(action) ?? true) &&
          (head.resource ?? resource) === resource,
      )
    const slice: PolicySlice = {
      key,
      project: projectionOn(choose().flatMap(({ looks }) => looks)),
      evaluate: (request) => parsed.evaluate(key, choose, request),
    }
    slices.set(key, slice)
    return slice
  }
  return {
    load(set) {
      parsed.clear()
      slices = new Recent(maxSlices)
      policies = [...set.values()]
      principals = new Set(policies.flatMap(({ head }) => head.principal ?? []))
      resources = new Set(policies.flatMap(({ head }) => head.resource ?? []))
    },
    of(question) {
      // Whom no policy names has one slice with all others like it.
      const principal = known(principals, question.principal)
      const resource = known(resources, question.resource)
      const { id: action } = question.action
      const key = JSON.stringify([principal, action, resource])
      return slices.get(key) ?? make(key, principal, action, resource)
    },
  }
}

function known(keys: ReadonlySet<string>, { uid }: CedarEntity): string {
  const key = entityKey(uid)
  return keys.has(key) ? key : ''
}
