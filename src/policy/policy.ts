import {
  type EntityUidJson,
  type PolicyJson,
  policyToJson,
  type TypeAndId,
} from '@cedar-policy/cedar-wasm/nodejs'
import { type Look, looksOf } from './looks.ts'
import { checkNamed } from './named-ids.ts'
import { actionGroups } from './schema.ts'

/** One policy, as written, with its `@id`. */
export interface Policy {
  readonly id: string
  readonly text: string
  /** `FILE:LINE` */
  readonly place: string
  readonly head: PolicyHead
  readonly looks: readonly Look[]
}

/** Whom, which actions and what a policy's head names; what it does not name by `==` may be any. */
export interface PolicyHead {
  readonly principal: string | undefined
  readonly actions: ReadonlySet<string> | undefined
  readonly resource: string | undefined
}

/** `undefined` where the text is no policy, or has no `@id`. Throws `invalid` `policy-entity`. */
export function readPolicy(text: string, place: string): Policy | undefined {
  const read = policyToJson(text)
  const id = read.type === 'success' ? read.json.annotations?.['id'] : undefined
  if (read.type === 'failure' || id === undefined) return undefined
  checkNamed(read.json, place)
  const { principal, action, resource } = read.json
  const head = { principal: only(principal), actions: actionsOf(action), resource: only(resource) }
  return { id, text, place, head, looks: looksOf(read.json) }
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

function actionsOf(constraint: PolicyJson['action']): ReadonlySet<string> | undefined {
  const named = [
    ...('entity' in constraint ? [constraint.entity] : []),
    ...('entities' in constraint ? constraint.entities : []),
  ].map((one) => bare(one).id)
  if (constraint.op === 'All') return undefined
  return new Set(named.flatMap((id) => [id, ...(actionGroups.get(id) ?? [])]))
}

function bare(entity: EntityUidJson): TypeAndId {
  return '__entity' in entity ? entity.__entity : entity
}
