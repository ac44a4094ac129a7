import {
  type EntityUidJson,
  type PolicyJson,
  policyToJson,
  policyToText,
  type TypeAndId,
} from '@cedar-policy/cedar-wasm/nodejs'
import { type Look, looksOf } from './looks.ts'
import { checkNamed } from './named-ids.ts'
import { actionGroups } from './schema.ts'

/** One policy, with its `@id`. */
export interface Policy {
  readonly id: string
  /** As written. */
  readonly text: string
  /** What Cedar evaluates: the same, but that its head has actions where it was written with their group. */
  readonly evaluated: string
  /** `FILE:LINE` */
  readonly place: string
  readonly head: PolicyHead
  /** What it looks at, as it is evaluated. */
  readonly looks: readonly Look[]
}

/** Whom, which actions and what a policy's head names; what it does not name by `==` may be any. */
export interface PolicyHead {
  readonly principal: string | undefined
  readonly actions: ReadonlySet<string> | undefined
  readonly resource: string | undefined
}

/** `undefined` where the text is no policy, or has no `@id` with a value. Throws `invalid` `policy-entity`. */
export function readPolicy(text: string, place: string): Policy | undefined {
  const read = policyToJson(text)
  if (read.type === 'failure') return undefined
  // Null where an annotation has no value, though its type says otherwise.
  const id: string | null | undefined = read.json.annotations?.['id']
  if (id === undefined || id === null) return undefined
  checkNamed(read.json, place)
  const { principal, action, resource } = read.json
  const actions = actionsOf(action)
  const head = { principal: only(principal), actions, resource: only(resource) }
  const looks = looksOf(read.json)
  const evaluated = namesGroup(action) ? writtenFor([...(actions ?? [])], read.json) : text
  return evaluated === undefined
    ? { id, text, evaluated: text, place, head, looks: [...looks, { kind: 'group' }] }
    : { id, text, evaluated, place, head, looks }
}

/**
 * With these actions in its head, so that Cedar need not be told with each question what is in a group. Undefined where
 * a policy is nested too deeply to be written anew.
 */
function writtenFor(actions: readonly string[], policy: PolicyJson): string | undefined {
  const entities = actions.map((id) => ({ type: 'Action', id }))
  try {
    const written = policyToText({ ...policy, action: { op: 'in', entities } })
    return written.type === 'success' ? written.text : undefined
  } catch {
    return undefined
  }
}

function namesGroup(constraint: PolicyJson['action']): boolean {
  return constraint.op === 'in' && namedIn(constraint).some((id) => actionGroups.has(id))
}

/** An entity in one string. */
export function entityKey({ type, id }: TypeAndId): string {
  return `${type} ${id}`
}

function only(constraint: PolicyJson['principal'] | PolicyJson['resource']): string | undefined {
  return constraint.op === '==' && 'entity' in constraint
    ? entityKey(bare(constraint.entity))
    : undefined
}

/** All that it is about, a group's own among them. */
function actionsOf(constraint: PolicyJson['action']): ReadonlySet<string> | undefined {
  if (constraint.op === 'All') return undefined
  return new Set(namedIn(constraint).flatMap((id) => [id, ...(actionGroups.get(id) ?? [])]))
}

function namedIn(constraint: PolicyJson['action']): readonly string[] {
  const named = [
    ...('entity' in constraint ? [constraint.entity] : []),
    ...('entities' in constraint ? constraint.entities : []),
  ]
  return named.map((one) => bare(one).id)
}

function bare(entity: EntityUidJson): TypeAndId {
  return '__entity' in entity ? entity.__entity : entity
}
