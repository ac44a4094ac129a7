import { CountersignError } from '../../src/errors.ts'
import type { Struct$Input } from '../../src/rpc/gen/google/protobuf/Struct.ts'
import type { Value$Input } from '../../src/rpc/gen/google/protobuf/Value.ts'

const maxDepth = 32

/** A JSON object as `google.protobuf.Struct`. Throws `invalid` (`claims-too-deep`). */
export function toStruct(object: Readonly<Record<string, unknown>>, depth = 0): Struct$Input {
  if (depth > maxDepth) {
    throw new CountersignError('invalid', 'the claims are nested too deep', {
      reason: 'claims-too-deep',
    })
  }
  const fields: Record<string, Value$Input> = {}
  for (const [name, value] of Object.entries(object)) {
    // Would set the prototype of whatever object it is copied into.
    if (name === '__proto__' || value === undefined) continue
    fields[name] = toValue(value, depth + 1)
  }
  return { fields }
}

function toValue(value: unknown, depth: number): Value$Input {
  if (typeof value === 'string') return { stringValue: value }
  if (typeof value === 'number') return { numberValue: value }
  if (typeof value === 'boolean') return { boolValue: value }
  if (value === null || typeof value !== 'object') return { nullValue: 'NULL_VALUE' }
  if (!Array.isArray(value)) {
    return { structValue: toStruct(value as Record<string, unknown>, depth) }
  }
  return { listValue: { values: toValues(value, depth) } }
}

function toValues(values: readonly unknown[], depth: number): Value$Input[] {
  if (depth > maxDepth) toStruct({}, depth)
  return values.map((value) => toValue(value, depth + 1))
}
