import fc from 'fast-check'
import type { AskingEntry, PolicyQuestion, Target } from '../../src/policy/question.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'

const ids = ['a', 'b', 'c'].map((name) => SpiffeId.parse(`spiffe://example.org/${name}`))
const apis = ['https://a.example', 'https://b.example']
const now = new Date('2026-03-04T09:30:45Z')
const later = new Date('2026-03-04T23:00:00Z')

/*
 * Policies as anybody might write them, and as nobody would: most conditions are of the right type, many are not, since
 * what is proved here must not lean on the schema's checker.
 */
const words = ['shop', 'pay', 'prod', 'env', 'team', 'orders', ...ids, ...apis, '']
const names = [
  ...['id', 'path', 'owner', 'purpose', 'env', 'client', 'audience', 'scopes', 'ttl', 'auth'],
  ...['address', 'time', 'subject', 'actors', 'depth', 'method'],
]
const entityTypes = ['Workload', 'Operator', 'Api', 'Integration', 'Token', 'Action']
const name = fc.constantFrom(...names)
const word = fc.constantFrom(...words.map((one) => JSON.stringify(one)))
const joined = (...parts: readonly (fc.Arbitrary<string> | string)[]): fc.Arbitrary<string> =>
  fc
    .tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)))
    .map((said) => said.join(''))
const entityLiterals = [
  ...ids.slice(0, 2).map((id) => `Workload::"${id}"`),
  ...apis.map((id) => `Api::"${id}"`),
  ...['Api::""', 'Token::"t"', 'Operator::"o"'],
  ...['getToken', 'issueToken', 'exchangeToken', 'revoke'].map((id) => `Action::"${id}"`),
]
/** Each reaches something in a way of its own. */
export const specialConditions: readonly string[] = [
  'context.ttl < 100',
  '-context.ttl < -100',
  '["orders"].containsAll(context.scopes)',
  'context.address.isInRange(ip("10.0.0.0/8"))',
  'context.time.toTime() >= duration("12h")',
  'context == { time: datetime("2026-03-04T23:00:00Z") }',
  'context has depth',
  'principal.path like "/a*"',
  'principal.hasTag("env")',
  'principal.hasTag("env") && resource has env && principal.getTag("env") == resource.env',
  'resource has owner && principal.hasTag(resource.owner)',
  'principal == Workload::"spiffe://example.org/a"',
  'principal in Workload::"spiffe://example.org/a"',
  'principal is Workload && resource is Api',
  'principal is Workload in Workload::"spiffe://example.org/a"',
  '[principal, resource].contains(Workload::"spiffe://example.org/a")',
  '{ a: principal }.a has owner',
  '(if context.time.toTime() < duration("12h") then principal else resource) has owner',
  '(if context has auth then "" else principal.owner) == "shop"',
  'resource is Token && resource.client == principal',
  'resource is Token && resource.client has owner',
  'Workload::"spiffe://example.org/a" has owner',
  'action in Action::"getToken"',
  'Action::"exchangeToken" in Action::"getToken"',
  'action == Action::"issueToken"',
  'context.ttl * 9223372036854775807 > 0',
]
const part = fc.constantFrom('principal', 'principal', 'resource', 'context')
const type = fc.constantFrom(...entityTypes)
const { condition } = fc.letrec<Record<'condition' | 'bool' | 'text' | 'entity', string>>((tie) => {
  const [bool, text, entity] = [tie('bool'), tie('text'), tie('entity')]
  const shallow = { maxDepth: 2 } as const
  return {
    condition: fc.oneof(
      { weight: 8, arbitrary: bool },
      { weight: 1, arbitrary: fc.oneof(text, entity, fc.constant('context')) },
    ),
    bool: fc.oneof(
      shallow,
      { weight: 4, arbitrary: fc.constantFrom(...specialConditions) },
      fc.tuple(part, name, word).map(([p, n, w]) => `(${p} has ${n} && ${p}.${n} == ${w})`),
      joined(part, ' has ', name, '.', name),
      joined(entity, ' has ', name),
      joined('(', text, fc.constantFrom(' == ', ' != '), text, ')'),
      joined('(', entity, fc.constantFrom(' == ', ' != ', ' in '), entity, ')'),
      joined('(', entity, ' in [', entity, ', ', entity, '])'),
      joined('(', entity, ' is ', type, ')'),
      joined('(', entity, ' is ', type, ' in ', entity, ')'),
      joined(entity, '.hasTag(', text, ')'),
      joined('context.scopes.contains(', text, ')'),
      joined('({ a: ', text, ', left: ', entity, ' } == { a: ', text, ', left: ', entity, ' })'),
      joined('(', bool, fc.constantFrom(' && ', ' || '), bool, ')'),
      joined('!(', bool, ')'),
      joined('(if ', bool, ' then ', bool, ' else ', bool, ')'),
    ),
    text: fc.oneof(
      shallow,
      word,
      joined(part, '.', name),
      joined(entity, '.', name),
      joined(entity, '.getTag(', word, ')'),
    ),
    entity: fc.oneof(
      shallow,
      fc.constantFrom('principal', 'principal', 'resource', 'action', 'resource.client'),
      fc.constantFrom(...entityLiterals),
      joined('(if ', bool, ' then ', entity, ' else ', entity, ')'),
      joined('{ a: ', entity, ' }.a'),
    ),
  }
})
const head = (variable: string, types: readonly string[], own: readonly string[]) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant(variable) },
    joined(`${variable} is `, fc.constantFrom(...types)),
    joined(`${variable} == `, fc.constantFrom(...own)),
    joined(`${variable} in `, fc.constantFrom(...own)),
    joined(`${variable} is `, fc.constantFrom(...types), ' in ', fc.constantFrom(...own)),
  )
/** Without its `@id`. */
export const policyTexts: fc.Arbitrary<string> = fc
  .record({
    effect: fc.constantFrom('permit', 'permit', 'forbid'),
    principal: head('principal', ['Workload', 'Operator'], entityLiterals.slice(0, 2)),
    action: fc.constantFrom(
      ...['action', 'action', 'action == Action::"issueToken"', 'action in Action::"getToken"'],
      'action in [Action::"getToken", Action::"callVendor", Action::"revoke"]',
    ),
    resource: head('resource', ['Api', 'Token'], entityLiterals.slice(2, 4)),
    clauses: fc.array(fc.tuple(fc.constantFrom('when', 'when', 'unless'), condition), {
      maxLength: 2,
    }),
  })
  .map(({ effect, principal, action, resource, clauses }) => {
    const when = clauses.map(([kind, body]) => `${kind} { ${body} }`).join(' ')
    return `${effect} (${principal}, ${action}, ${resource}) ${when};`
  })

/** Of each two there is something that sets them apart, often one thing alone. */
const entryOf = (n: number, owner: string, labels: Record<string, string>) => ({
  spiffeId: ids[n] as SpiffeId,
  ...{ owner, purpose: 'orders', labels },
})
const entries = [entryOf(0, 'shop', { env: 'prod' }), entryOf(1, 'pay', { env: 'pay', shop: '' })]
const resources: readonly Target[] = [
  { id: 'https://a.example', env: 'prod' },
  { id: 'https://b.example', owner: 'shop' },
]
const tokenOf = (entry: number, resource: number, isShort: boolean) => ({
  entry: entries[entry] as AskingEntry,
  resource: resources[resource] as Target,
  ttlSeconds: isShort ? 60 : 300,
  auth: isShort ? 'spiffe_jwt' : 'oidc',
  scopes: isShort ? ['orders'] : ['orders', 'pay'],
  address: isShort ? '10.0.0.1:1' : '[::1]:1',
})
const tokens = [
  tokenOf(0, 0, true),
  tokenOf(0, 1, false),
  tokenOf(1, 0, false),
  tokenOf(1, 1, true),
]
const shown = { subject: ids[0] as string, actors: [], depth: 1, audience: 'shop' }
const token = { kind: 'token', id: 't', audience: 'shop', owner: 'shop' } as const
const call = { method: 'GET', path: '/', address: '10.0.0.1', integration: { id: 'crm' } }
const [entry] = entries as [AskingEntry]
const questions: readonly PolicyQuestion[] = [
  ...tokens.map((wish) => ({ action: 'issueToken', ...wish }) as const),
  ...tokens.map((wish) => ({ action: 'exchangeToken', ...wish, ...shown }) as const),
  { action: 'exchangeToken', ...tokenOf(0, 0, true), ...shown, depth: 60, actors: ids },
  ...entries.map((asking) => ({ action: 'callVendor', entry: asking, ...call }) as const),
  ...[...ids.slice(0, 2), ''].map(
    (client) => ({ action: 'revoke', by: { entry }, target: { ...token, client } }) as const,
  ),
  { action: 'revoke', by: { operator: 'o' }, target: { ...token, client: entry.spiffeId } },
  { action: 'revoke', by: { operator: '' }, target: { kind: 'audience', id: apis[0] as string } },
  { action: 'revoke', by: { operator: 'o' }, target: { kind: 'node', id: '' } },
]
/** Each with the time at which it is asked. */
export const policyQuestions: readonly (readonly [PolicyQuestion, Date])[] = questions.flatMap(
  (question, n): [PolicyQuestion, Date][] =>
    // Some are asked in another minute as well.
    n % 5 === 0
      ? [
          [question, now],
          [question, later],
        ]
      : [[question, n % 2 === 0 ? now : later]],
)
