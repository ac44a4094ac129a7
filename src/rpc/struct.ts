import { CountersignError } from '../errors.ts'
import type { Struct, Struct$Input } from './gen/google/protobuf/Struct.ts'
import type { Value, Value$Input } from './gen/google/protobuf/Value.ts'

const maxDepth = 32

/** A JSON object as `google.protobuf.Struct`. Throws `invalid` (`claims-too-deep`). */
export function toStruct(object: Readonly<Record<string, unknown>>, depth = 0): Struct$Input {
  checkDepth(depth)
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
  checkDepth(depth)
  return values.map((value) => toValue(value, depth + 1))
}

/** The JSON object that a `google.protobuf.Struct` stands for, without a prototype. Throws `invalid` (`claims-too-deep`). */
export function fromStruct(struct: Struct, depth = 0): Readonly<Record<string, unknown>> {
  checkDepth(depth)
  const object: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(struct.fields)) {
    object[name] = fromValue(value, depth + 1)
  }
  return object
}

function fromValue(value: Value, depth: number): unknown {
  const { structValue, listValue } = value
  if (structValue) return fromStruct(structValue, depth)
  if (listValue) {
    checkDepth(depth)
    return listValue.values.map((item) => fromValue(item, depth + 1))
  }
  return value.stringValue ?? value.numberValue ?? value.boolValue ?? null
}

function checkDepth(depth: number): void {
  if (depth <= maxDepth) return
  throw new CountersignError('invalid', 'the claims are nested too deep', {
    reason: 'claims-too-deep',
  })
}
