import type { PolicyJson, TypeAndId } from '@cedar-policy/cedar-wasm/nodejs'
import { CountersignError } from '../errors.ts'
import { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'

/** Those whose ids have a form. */
const forms: ReadonlyMap<string, (id: string) => string> = new Map<string, (id: string) => string>([
  ['Workload', SpiffeId.parse],
  ['SpiffeId', SpiffeId.parse],
  ['Node', SpiffeId.parse],
  ['TrustDomain', TrustDomain.parse],
])

/**
 * Refuses a policy that names somebody who cannot be there, such as a SPIFFE ID with a slash at its end: a slip of the pen,
 * which the schema does not see and nobody would ever be hit by. Throws `invalid` `policy-entity`.
 */
export function checkNamed(json: PolicyJson, place: string): void {
  // An annotation may be called as it likes.
  for (const { type, id } of entitiesIn({ ...json, annotations: undefined })) {
    if (isSound(type, id)) continue
    throw new CountersignError(
      'invalid',
      `${place}: there can be no ${type}::${JSON.stringify(id)}`,
      {
        reason: 'policy-entity',
        fix:
          type === 'TrustDomain'
            ? 'write its name alone, such as example.org'
            : 'write the ID as "countersign entry list" shows it, such as spiffe://example.org/web',
      },
    )
  }
}

function isSound(type: string, id: string): boolean {
  try {
    return (forms.get(type)?.(id) ?? id) === id
  } catch {
    return false
  }
}

/** All that are written out, in the head and in conditions, whose nesting has a bound. */
function* entitiesIn(value: unknown): Generator<TypeAndId> {
  if (typeof value !== 'object' || value === null) return
  const { type, id } = value as Readonly<Record<string, unknown>>
  if (typeof type === 'string' && typeof id === 'string') yield { type, id }
  for (const part of Object.values(value)) yield* entitiesIn(part)
}
