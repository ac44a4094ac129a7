import { hash } from 'node:crypto'
import type { AuthorizationAnswer } from '@cedar-policy/cedar-wasm/nodejs'
import { Recent } from '../runtime/recent.ts'
import type { CedarEntity, CedarQuestion, CedarRequest } from './cedar-request.ts'
import { sidesOf } from './looks.ts'
import { createParsedSets } from './parsed-sets.ts'
import { entityKey, type Policy } from './policy.ts'
import type { PolicySet } from './policy-set.ts'
import { type Projection, projectionOn } from './projection.ts'

/** Finds for a question those policies of the set that its principal, action and resource leave possible. */
export interface PolicySlices {
  load(policies: PolicySet): void
  /** Each policy in one group of them; none where there is none. */
  of(question: CedarQuestion): readonly PolicyGroup[]
}

/** Policies that look at the same parts of a question, and are asked together. */
export interface PolicyGroup {
  /** Whose policies these are, too, if another group has it. */
  readonly key: string
  /** What they look at. */
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
  let slices = new Recent<string, readonly PolicyGroup[]>(maxSlices)

  const make = (principal: string, action: string, resource: string): readonly PolicyGroup[] => {
    const choose = (): Map<string, Policy[]> =>
      Map.groupBy(
        policies.filter(
          ({ head }) =>
            (head.principal ?? principal) === principal &&
            (head.actions?.has(action) ?? true) &&
            (head.resource ?? resource) === resource,
        ),
        ({ looks }) => sidesOf(looks),
      )
    return [...choose()].map(([sides, group]) => {
      const key = hash('sha256', group.map(({ id }) => id).join(' '), 'base64')
      const again = (): readonly Policy[] => choose().get(sides) ?? []
      return {
        key,
        project: projectionOn(group.flatMap(({ looks }) => looks)),
        evaluate: (request) => parsed.evaluate(key, again, request),
      }
    })
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
      const found = slices.get(key)
      if (found !== undefined) return found
      const groups = make(principal, action, resource)
      slices.set(key, groups)
      return groups
    },
  }
}

function known(keys: ReadonlySet<string>, { uid }: CedarEntity): string {
  const key = entityKey(uid)
  return keys.has(key) ? key : ''
}
