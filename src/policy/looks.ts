import type { PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'

/** A part of a question that can be left out of what Cedar is told. */
export type Part = 'principal' | 'resource' | 'context'

/** What a policy looks at in a question, beside its action and of which types its entities are. */
export type Look =
  | { readonly kind: 'attribute' | 'tag'; readonly of: Part; readonly name: string }
  /** Which one it is; all of it, that among it. */
  | { readonly kind: 'id' | 'whole'; readonly of: Part }
  /** The group that the action is in. */
  | { readonly kind: 'group' }
  /** Whatever there is. */
  | { readonly kind: 'everything' }

type Expression = PolicyJson['conditions'][number]['body']

/**
 * All that the outcome of a policy can depend on: what its head and its conditions name, whichever of them would be
 * reached. What is not understood looks at everything.
 */
export function looksOf({ principal, resource, conditions }: PolicyJson): readonly Look[] {
  return [
    ...looksInHead('principal', principal),
    ...looksInHead('resource', resource),
    ...conditions.flatMap(({ body }) => looksIn(body)),
  ]
}

/**
 * Of which parts it looks at more than which one it is, in one word: policies with the same word are worth asking
 * together, since what is new to one of them is most often new to all.
 */
export function sidesOf(looks: readonly Look[]): string {
  const sides = looks.flatMap((look) => {
    if (look.kind === 'id' || look.kind === 'group') return []
    return look.kind === 'everything' ? [look.kind] : [look.of]
  })
  return [...new Set(sides)].sort().join(' ')
}

function looksInHead(
  of: 'principal' | 'resource',
  constraint: PolicyJson['principal'] | PolicyJson['resource'],
): readonly Look[] {
  const named = constraint.op === 'is' ? constraint.in !== undefined : constraint.op !== 'All'
  return named ? [{ kind: 'id', of }] : []
}

/** Those that make a value of values, and ask of no entity what it has or is in. */
const ofValues = new Set([
  ...['!', 'neg', '==', '!=', '<', '<=', '>', '>=', '&&', '||', '+', '-', '*', 'if-then-else'],
  ...['like', 'contains', 'containsAll', 'containsAny', 'isEmpty', 'Set'],
  ...['ip', 'isIpv4', 'isIpv6', 'isLoopback', 'isMulticast', 'isInRange'],
  ...['decimal', 'lessThan', 'lessThanOrEqual', 'greaterThan', 'greaterThanOrEqual'],
  ...['datetime', 'duration', 'offset', 'durationSince', 'toDate', 'toTime'],
  ...['toMilliseconds', 'toSeconds', 'toMinutes', 'toHours', 'toDays'],
])
const everything: readonly Look[] = [{ kind: 'everything' }]

/** What an operator is applied to. */
interface Operands {
  readonly left?: Expression
  readonly right?: Expression
  readonly in?: Expression
  readonly attr?: string | readonly string[]
}

/** In Cedar's JSON form an expression is an object of one member, its operator. */
function looksIn(expression: Expression): readonly Look[] {
  const [[operator, applied] = ['', undefined]] = Object.entries<unknown>(expression)
  switch (operator) {
    case 'Value':
      return []
    case 'Var':
      return applied === 'action' ? [] : [{ kind: 'whole', of: applied as Part }]
    case '.':
    case 'has':
      return looksAtAttribute(applied as Operands)
    case 'hasTag':
    case 'getTag':
      return looksAtTag(applied as Operands)
    case 'is':
      return looksAtType(applied as Operands)
    case 'Record':
      return Object.values(applied as Record<string, Expression>).flatMap(looksIn)
    default:
      return ofValues.has(operator) ? operandsOf(applied).flatMap(looksIn) : everything
  }
}

function looksAtAttribute({ left, attr }: Operands): readonly Look[] {
  const of = partIn(left)
  return of === undefined || typeof attr !== 'string'
    ? everything
    : [{ kind: 'attribute', of, name: attr }]
}

function looksAtTag({ left, right }: Operands): readonly Look[] {
  const of = partIn(left)
  if (of === undefined || right === undefined) return everything
  if ('Value' in right && typeof right.Value === 'string') {
    return [{ kind: 'tag', of, name: right.Value }]
  }
  return [{ kind: 'whole', of }, ...looksIn(right)]
}

/** Without `in`, of a part: that is told of all. */
function looksAtType(operands: Operands): readonly Look[] {
  return operands.in === undefined && partIn(operands.left) !== undefined ? [] : everything
}

/** The part that an expression is; undefined where it is any other, which may come out as an entity as well. */
function partIn(expression: Expression | undefined): Part | undefined {
  if (expression === undefined || !('Var' in expression)) return undefined
  const variable = expression.Var
  return variable === 'principal' || variable === 'resource' || variable === 'context'
    ? variable
    : undefined
}

function operandsOf(applied: unknown): readonly Expression[] {
  if (Array.isArray(applied)) return applied
  const {
    left,
    right,
    arg,
    if: condition,
    then,
    else: otherwise,
  } = applied as Record<string, Expression>
  return [left, right, arg, condition, then, otherwise].filter((one) => one !== undefined)
}
