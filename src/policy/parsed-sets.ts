import { randomUUID } from 'node:crypto'
import {
  type AuthorizationAnswer,
  preparsePolicySet,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs'
import { CountersignError } from '../errors.ts'
import type { CedarRequest } from './cedar-request.ts'
import type { Policy } from './policy.ts'

/** Sets of policies that Cedar keeps parsed. */
export interface ParsedSets {
  /** By the policies that are known by this key; `policiesOf` says which, where they are not parsed. */
  evaluate(
    key: string,
    policiesOf: () => readonly Policy[],
    request: CedarRequest,
  ): AuthorizationAnswer
  clear(): void
}

interface ParsedSet {
  /** By which Cedar knows it. */
  readonly name: string
  readonly size: number
}

/**
 * Sets are parsed when they are asked for first, and the least recently used give way: `maxParsed` policies are kept
 * parsed at once, about 2 KiB each, counted once for each set that they are in, and each set for one more.
 */
export function createParsedSets(maxParsed = 32_768): ParsedSets {
  const sets = new Map<string, ParsedSet>()
  // Cedar keeps what was parsed by name, for the whole process, and forgets no name: names are used again.
  const names: string[] = []
  let parsed = 0

  const drop = (key: string, { name, size }: ParsedSet): void => {
    sets.delete(key)
    parse(name, [])
    names.push(name)
    parsed -= size
  }
  const make = (policies: readonly Policy[]): ParsedSet => {
    const size = policies.length + 1
    for (const [oldest, set] of sets) {
      if (parsed + size <= maxParsed) break
      drop(oldest, set)
    }
    const name = names.pop() ?? randomUUID()
    parse(name, policies)
    parsed += size
    return { name, size }
  }
  return {
    evaluate(key, policiesOf, request) {
      const found = sets.get(key) ?? make(policiesOf())
      sets.delete(key)
      sets.set(key, found)
      // No schema: each policy was checked against it, and one that fails for want of something denies.
      return statefulIsAuthorized({ ...request, preparsedPolicySetId: found.name })
    },
    clear() {
      for (const [key, set] of sets) drop(key, set)
    },
  }
}

function parse(name: string, policies: readonly Policy[]): void {
  const staticPolicies = Object.fromEntries(policies.map(({ id, evaluated }) => [id, evaluated]))
  if (preparsePolicySet(name, { staticPolicies }).type === 'success') return
  throw new CountersignError('internal', 'what was checked cannot be loaded', {
    reason: 'policy-load',
  })
}
