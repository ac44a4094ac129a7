import { randomUUID } from 'node:crypto'
import {
  type PolicyJson,
  policyToJson,
  policyToText,
  preparsePolicySet,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs'
import type { Clock } from '../runtime/clock.ts'
import { Slice } from '../runtime/slice.ts'
import { builtInPrefix } from './built-in.ts'
import { type CedarQuestion, type CedarRequest, cedarQuestion } from './cedar-request.ts'
import type { Policy } from './policy.ts'
import type { PolicySet } from './policy-set.ts'
import { projectionOn } from './projection.ts'
import type { Decision, PolicyQuestion } from './question.ts'

/** Why a question is decided as it is. */
export interface Explanation {
  readonly decision: Decision
  /** Those that decided, or that could not be evaluated. */
  readonly deciding: readonly Policy[]
  /** Where no policy permits: those that would have with the least change, the nearest first. */
  readonly nearest: readonly NearPolicy[]
}

export interface NearPolicy {
  readonly policy: Policy
  /** The parts of it that are not so, in Cedar, in the order of its text; at least one. */
  readonly missing: readonly string[]
  /** How many of them are of its head: it is meant for somebody or something else. */
  readonly elsewhere: number
}

const maxNearest = 3
/** Cedar forgets no name that it was given: this one is used again for each policy. */
const name = randomUUID()

/** Looks for what was missing where nobody permits; lets others have their turn meanwhile. */
export async function explain(
  policies: PolicySet,
  decision: Decision,
  question: PolicyQuestion,
  now: Date,
  clock: Clock,
): Promise<Explanation> {
  const deciding = decision.policies.flatMap((id) => policies.get(id) ?? [])
  if (decision.reason !== 'policy-none') return { decision, deciding, nearest: [] }
  const asked = cedarQuestion(question, now)
  const slice = new Slice(clock)
  const near: NearPolicy[] = []
  for (const policy of policies.values()) {
    // What nobody can write anew is no advice.
    if (policy.id.startsWith(builtInPrefix)) continue
    const { missing, elsewhere } = missingOf(policy, asked)
    if (missing.length > 0) near.push({ policy, missing, elsewhere })
    if (slice.isOver) await slice.rest()
  }
  near.sort((a, b) => a.elsewhere - b.elsewhere || a.missing.length - b.missing.length)
  return { decision, deciding, nearest: near.slice(0, maxNearest) }
}

/**
 * The parts of a permission that are false, each asked by itself; none of what forbids. A part that has no answer by
 * itself, such as an attribute that is not there, is not named: another says before it that there is none. Nor is any
 * of a policy that is nested too deeply for Cedar to read its parts.
 */
function missingOf({ text, looks }: Policy, asked: CedarQuestion): Omit<NearPolicy, 'policy'> {
  const read = policyToJson(text)
  const isPermit = read.type === 'success' && read.json.effect === 'permit'
  const parts = isPermit ? partsOf(read.json) : []
  const asWritten = projectionOn([...looks, { kind: 'group' }])
  const settled = settledOf(parts, asWritten(asked))
  const missing = parts.filter((_, n) => settled?.has(`${n}`) === false)
  return {
    missing: missing.map(partText),
    elsewhere: missing.filter(({ conditions }) => conditions.length === 0).length,
  }
}

/** By number, which parts are so, or have no answer; undefined where they cannot be asked. */
function settledOf(
  parts: readonly PolicyJson[],
  request: CedarRequest,
): ReadonlySet<string> | undefined {
  if (!canParse(parts)) return undefined
  const answer = statefulIsAuthorized({ ...request, preparsedPolicySetId: name })
  if (answer.type === 'failure') return undefined
  const { reason, errors } = answer.response.diagnostics
  return new Set([...reason, ...errors.map(({ policyId }) => policyId)])
}

function canParse(parts: readonly PolicyJson[]): boolean {
  try {
    const staticPolicies = Object.fromEntries(parts.entries())
    return preparsePolicySet(name, { staticPolicies }).type === 'success'
  } catch {
    return false
  }
}

const anything: PolicyJson = {
  effect: 'permit',
  principal: { op: 'All' },
  action: { op: 'All' },
  resource: { op: 'All' },
  conditions: [],
}

/** A policy each: what the head says of principal, action and resource, and each term of its conditions. */
function partsOf({ principal, action, resource, conditions }: PolicyJson): readonly PolicyJson[] {
  const terms = conditions.flatMap(({ kind, body }) =>
    (kind === 'when' ? termsOf(body) : [body]).map((term) => ({ kind, body: term })),
  )
  return [
    { ...anything, principal },
    { ...anything, action },
    { ...anything, resource },
    ...terms.map((term) => ({ ...anything, conditions: [term] })),
  ]
}

type Expression = PolicyJson['conditions'][number]['body']

/** `a && b && c` → each. */
function termsOf(body: Expression): readonly Expression[] {
  const both = '&&' in body ? (body['&&'] as { left: Expression; right: Expression }) : undefined
  return both === undefined ? [body] : [...termsOf(both.left), ...termsOf(both.right)]
}

/** As Cedar writes it, without what is the same in all of them. */
function partText(part: PolicyJson): string {
  const written = policyToText(part)
  if (written.type === 'failure') return 'a part that cannot be written out'
  return written.text
    .replace(/^permit\(principal, action, resource\) /, '')
    .replace(/^permit\((?:principal, action, (?=resource )|principal, (?=action ))?/, '')
    .replace(/(?:, resource|, action, resource)?\)?;$/, '')
}
