import type { CedarValueJson, PolicyJson } from '@cedar-policy/cedar-wasm/nodejs'
import type { CedarQuestion } from './cedar-request.ts'

/** Whether a policy applies to a question. Throws `NotPlain` where Cedar has to be asked after all. */
export type Applies = (question: CedarQuestion) => boolean

/** What is read is not there, or of another type: what Cedar makes of that is Cedar's to say. */
export class NotPlain extends Error {}

type Expression = PolicyJson['conditions'][number]['body']
type Read<T> = (question: CedarQuestion) => T

/**
 * A policy of which nothing has to be known but how strings, whole numbers and sets of strings compare: undefined for any
 * other. To hand a question to Cedar and its answer back costs a hundred times what such a comparison does.
 */
export function plainPolicy(policy: PolicyJson): Applies | undefined {
  try {
    const tests = [
      headOf('principal', policy.principal),
      actionOf(policy.action),
      headOf('resource', policy.resource),
      ...policy.conditions.map(({ kind, body }) => {
        const holds = truth(body)
        return kind === 'when' ? holds : (question: CedarQuestion) => !holds(question)
      }),
    ]
    return (question) => tests.every((holds) => holds(question))
  } catch (error) {
    if (error instanceof NotPlain) return undefined
    throw error
  }
}

function headOf(
  of: 'principal' | 'resource',
  constraint: PolicyJson['principal'] | PolicyJson['resource'],
): Read<boolean> {
  if (constraint.op === 'All') return () => true
  if (constraint.op === 'is' && constraint.in === undefined) {
    const { entity_type: type } = constraint
    return (question) => question[of].uid.type === type
  }
  if (constraint.op !== '==' || !('entity' in constraint)) throw new NotPlain()
  const { type, id } = bare(constraint.entity)
  return ({ [of]: { uid } }) => uid.type === type && uid.id === id
}

/** As it is evaluated, with the actions of a group in the place of the group. */
function actionOf(constraint: PolicyJson['action']): Read<boolean> {
  if (constraint.op === 'All') return () => true
  const named = 'entities' in constraint ? constraint.entities : undefined
  const only = 'entity' in constraint ? [constraint.entity] : undefined
  const ids = new Set((named ?? only ?? []).map((one) => bare(one).id))
  return ({ action }) => ids.has(action.id)
}

function bare(entity: { type: string; id: string } | { __entity: { type: string; id: string } }) {
  return '__entity' in entity ? entity.__entity : entity
}

/** The operator of an expression, and what it is applied to. */
function parsed(expression: Expression): readonly [string, Operands] {
  const [[operator, applied] = ['', undefined]] = Object.entries<unknown>(expression)
  return [operator, (applied ?? {}) as Operands]
}

interface Operands {
  readonly left: Expression
  readonly right: Expression
  readonly arg: Expression
  readonly if: Expression
  readonly then: Expression
  readonly else: Expression
  readonly attr: unknown
  readonly pattern: readonly ('Wildcard' | { readonly Literal: string })[]
}

const orders: ReadonlyMap<string, (one: number, other: number) => boolean> = new Map([
  ['<', (one, other) => one < other],
  ['<=', (one, other) => one <= other],
  ['>', (one, other) => one > other],
  ['>=', (one, other) => one >= other],
])

function truth(expression: Expression): Read<boolean> {
  const [operator, applied] = parsed(expression)
  const order = orders.get(operator)
  if (order !== undefined) {
    const [one, other] = [number(applied.left), number(applied.right)]
    return (question) => order(one(question), other(question))
  }
  switch (operator) {
    case 'Value':
      return constant(expression, (value) => typeof value === 'boolean')
    case '!':
      return not(truth(applied.arg))
    case '&&': {
      const [one, other] = [truth(applied.left), truth(applied.right)]
      return (question) => one(question) && other(question)
    }
    case '||': {
      const [one, other] = [truth(applied.left), truth(applied.right)]
      return (question) => one(question) || other(question)
    }
    case 'if-then-else': {
      const [one, then, otherwise] = [truth(applied.if), truth(applied.then), truth(applied.else)]
      return (question) => (one(question) ? then(question) : otherwise(question))
    }
    case '==':
      return equal(applied)
    case '!=':
      return not(equal(applied))
    case 'like':
      return like(text(applied.left), applied.pattern)
    case 'has':
      return has(applied)
    default:
      return ofSets(operator, applied)
  }
}

function not(holds: Read<boolean>): Read<boolean> {
  return (question) => !holds(question)
}

function equal({ left, right }: Operands): Read<boolean> {
  const read = isNumber(left) || isNumber(right) ? number : text
  const [one, other] = [read(left), read(right)]
  return (question) => one(question) === other(question)
}

function isNumber(expression: Expression): boolean {
  return 'Value' in expression && typeof expression.Value === 'number'
}

function has({ left, attr }: Operands): Read<boolean> {
  const values = valuesOf(left)
  if (typeof attr !== 'string') throw new NotPlain()
  return (question) => Object.hasOwn(values(question), attr)
}

function ofSets(operator: string, { left, right, arg }: Operands): Read<boolean> {
  switch (operator) {
    case 'hasTag': {
      const [tags, name] = [tagsOf(left), literal(right)]
      return (question) => Object.hasOwn(tags(question), name)
    }
    case 'isEmpty': {
      const set = texts(arg)
      return (question) => set(question).length === 0
    }
    case 'contains': {
      const [set, one] = [texts(left), text(right)]
      return (question) => set(question).includes(one(question))
    }
    case 'containsAll': {
      const [set, others] = [texts(left), texts(right)]
      return (question) => {
        const all = set(question)
        return others(question).every((one) => all.includes(one))
      }
    }
    case 'containsAny': {
      const [set, others] = [texts(left), texts(right)]
      return (question) => {
        const all = set(question)
        return others(question).some((one) => all.includes(one))
      }
    }
    default:
      throw new NotPlain()
  }
}

/** Cedar's `like`: `*` stands for any characters, or none, and all the rest for itself. */
function like(value: Read<string>, pattern: Operands['pattern']): Read<boolean> {
  const pieces = ['']
  for (const one of pattern) {
    if (one === 'Wildcard') pieces.push('')
    else pieces.push(`${pieces.pop()}${one.Literal}`)
  }
  const [first = '', ...more] = pieces
  const last = more.pop()
  if (last === undefined) return (question) => value(question) === first
  return (question) => {
    const whole = value(question)
    if (!whole.startsWith(first)) return false
    let at = first.length
    // Each piece as early as it can be: what is left is all the more.
    for (const piece of more) {
      const found = whole.indexOf(piece, at)
      if (found < 0) return false
      at = found + piece.length
    }
    return at <= whole.length - last.length && whole.endsWith(last)
  }
}

function text(expression: Expression): Read<string> {
  return 'Value' in expression
    ? constant(expression, (value) => typeof value === 'string')
    : checked(expression, isText)
}

function literal(expression: Expression): string {
  if ('Value' in expression && typeof expression.Value === 'string') return expression.Value
  throw new NotPlain()
}

function number(expression: Expression): Read<number> {
  return 'Value' in expression
    ? constant(expression, Number.isSafeInteger)
    : checked(expression, Number.isSafeInteger)
}

function texts(expression: Expression): Read<readonly string[]> {
  if (!('Set' in expression)) {
    return checked(expression, (value) => Array.isArray(value) && value.every(isText))
  }
  const some = expression.Set.map(literal)
  return () => some
}

/** Cedar cannot be told of half a surrogate pair. */
function isText(value: unknown): boolean {
  return typeof value === 'string' && value.isWellFormed()
}

function constant<T>(expression: Expression, is: (value: unknown) => boolean): Read<T> {
  const value = 'Value' in expression ? expression.Value : undefined
  if (!is(value)) throw new NotPlain()
  return () => value as T
}

/** The value of an attribute or a tag, once it is what it has to be. */
function checked<T>(expression: Expression, is: (value: unknown) => boolean): Read<T> {
  const [operator, { left, right, attr }] = parsed(expression)
  const isTag = operator === 'getTag'
  if (!isTag && (operator !== '.' || typeof attr !== 'string')) throw new NotPlain()
  const [values, name] = isTag ? [tagsOf(left), literal(right)] : [valuesOf(left), String(attr)]
  return (question) => {
    const among = values(question)
    const value = Object.hasOwn(among, name) ? among[name] : undefined
    if (!is(value)) throw new NotPlain()
    return value as T
  }
}

type Values = Readonly<Record<string, CedarValueJson>>

function valuesOf(expression: Expression): Read<Values> {
  const variable = 'Var' in expression ? expression.Var : undefined
  if (variable === 'context') return ({ context }) => context
  if (variable !== 'principal' && variable !== 'resource') throw new NotPlain()
  return ({ [variable]: { attrs } }) => attrs
}

function tagsOf(expression: Expression): Read<Values> {
  const variable = 'Var' in expression ? expression.Var : undefined
  if (variable !== 'principal' && variable !== 'resource') throw new NotPlain()
  return ({ [variable]: { tags = noTags } }) => tags
}

const noTags: Values = {}
