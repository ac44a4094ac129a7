import { preparsePolicySet, statefulIsAuthorized } from '@cedar-policy/cedar-wasm/nodejs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cedarQuestion, wholeRequest } from '../../../src/policy/cedar-request.ts'
import { NotPlain } from '../../../src/policy/plain.ts'
import { plainAnswers } from '../../../src/policy/plain-answers.ts'
import { type Policy, readPolicy } from '../../../src/policy/policy.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'

const now = new Date('2026-03-04T09:30:45Z')

function policyOf(condition: string, head = 'permit (principal, action, resource)'): Policy {
  const policy = readPolicy(`@id("p") ${head} when { ${condition} };`, 'test')
  if (policy === undefined) throw new Error(`not a policy: ${condition}`)
  return policy
}

/** Few letters, so that what is said is often what there is; and some that UTF-16 or UTF-8 spell in several units. */
const letters = fc.constantFrom('a', 'b', '/', '*', 'é', '𝄞', '\\', '"', '\u0000')
const word = fc.string({ unit: letters, maxLength: 5 })
/** In Cedar's own spelling; `*` in a pattern is any characters, and `\*` the star. */
const quoted = (said: string): string =>
  `"${said.replaceAll(/[\\"]/g, '\\$&').replaceAll('\u0000', '\\0')}"`
const literal = word.map(quoted)
const pattern = fc
  .array(
    fc.oneof(
      fc.constant('*'),
      letters.map((one) => quoted(one).slice(1, -1).replace('*', '\\*')),
    ),
    {
      maxLength: 6,
    },
  )
  .map((parts) => `"${parts.join('')}"`)
const label = fc.constantFrom('env', 'team')
const number = fc.integer({ min: -3, max: 3 }).map(String)
const joined = (...parts: readonly (fc.Arbitrary<string> | string)[]): fc.Arbitrary<string> =>
  fc
    .tuple(...parts.map((part) => (typeof part === 'string' ? fc.constant(part) : part)))
    .map((said) => said.join(''))
const text = fc.oneof(
  literal,
  fc.constantFrom('principal.owner', 'principal.purpose', 'resource.env', 'context.auth'),
  joined('principal.getTag("', label, '")'),
)
const long = fc.oneof(number, fc.constant('context.ttl'))
const set = fc.oneof(
  fc.constant('context.scopes'),
  fc.array(literal, { minLength: 1, maxLength: 3 }).map((some) => `[${some.join(', ')}]`),
)
const { condition } = fc.letrec<Record<'condition', string>>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 3 },
    joined(text, ' like ', pattern),
    joined('principal.owner like ', pattern),
    joined(text, fc.constantFrom(' == ', ' != '), text),
    joined('context.ttl', fc.constantFrom(' == ', ' != '), number),
    joined(long, fc.constantFrom(' < ', ' <= ', ' > ', ' >= '), long),
    joined(set, '.', fc.constantFrom('containsAll', 'containsAny'), '(', set, ')'),
    joined(set, '.contains(', text, ')'),
    fc.constantFrom('context.scopes.isEmpty()', 'resource has env', 'context has depth', 'true'),
    joined('principal.hasTag("', label, '")'),
    joined('(', tie('condition'), fc.constantFrom(' && ', ' || '), tie('condition'), ')'),
    joined('!(', tie('condition'), ')'),
    joined('(if ', tie('condition'), ' then ', tie('condition'), ' else ', tie('condition'), ')'),
  ),
}))
const question = fc
  .record({
    ...{ owner: word, purpose: word, auth: word, env: fc.option(word, { nil: undefined }) },
    labels: fc.dictionary(label, word),
    scopes: fc.uniqueArray(word, { maxLength: 3 }),
    ttlSeconds: fc.integer({ min: -3, max: 3 }),
  })
  .map(({ owner, purpose, labels, env, ...more }) =>
    cedarQuestion(
      {
        action: 'issueToken',
        entry: { spiffeId: SpiffeId.parse('spiffe://example.org/a'), owner, purpose, labels },
        resource: { id: 'https://a.example', env },
        address: '10.0.0.1',
        ...more,
      },
      now,
    ),
  )
type Question = ReturnType<typeof cedarQuestion>

function byCedar({ text }: Policy, asked: Question) {
  const parsed = preparsePolicySet('plain', { staticPolicies: { p: text } })
  expect(parsed).toMatchObject({ type: 'success' })
  return statefulIsAuthorized({ ...wholeRequest(asked), preparsedPolicySetId: 'plain' })
}

test('what is said without Cedar is what Cedar says, and where it fails nothing is said', () => {
  let said = 0
  const effects = fc.constantFrom('permit', 'forbid')
  const property = fc.property(condition, effects, question, (body, effect, asked) => {
    const policy = policyOf(body, `${effect} (principal, action, resource)`)
    expect(policy.applies).toBeDefined()
    const answer = plainAnswers([policy])(asked)
    if (answer === undefined) return
    said += 1
    expect(answer).toEqual(byCedar(policy, asked))
  })
  fc.assert(property, { numRuns: 600 })
  expect(said).toBeGreaterThan(100)
})

test.for([
  ['', '', true],
  ['*', '', true],
  ['a*a', 'a', false],
  ['a*a', 'aa', true],
  ['*ab*ab', 'ab', false],
  ['*ab*ab', 'xabab', true],
  ['a*b*c', 'abbc', true],
  ['a*b*c', 'acb', false],
  ['a**', 'b', false],
  ['a', 'ab', false],
  ['*a', 'ba', true],
  ['a\\*', 'ab', false],
  ['a\\*', 'a*', true],
] as const)('%s is like %s: %s', ([pattern, owner, is]) => {
  const { applies } = policyOf(`principal.owner like "${pattern}"`)
  expect(applies?.(questionOf(owner))).toBe(is)
})

function questionOf(owner: string): Question {
  const entry = {
    spiffeId: SpiffeId.parse('spiffe://example.org/a'),
    ...{ owner, purpose: '', labels: {} },
  }
  const wish = { scopes: ['x'], ttlSeconds: 60, auth: 'spiffe_jwt', address: '10.0.0.1' }
  return cedarQuestion(
    { action: 'issueToken', entry, resource: { id: 'https://a.example' }, ...wish },
    now,
  )
}

test.for([
  'principal == resource',
  'principal in resource',
  'principal is Workload',
  'context.address.isLoopback()',
  'context.time < datetime("2030-01-01")',
  'context.ttl + 1 > 0',
  'context.ttl < 9007199254740993',
  'context has address.x',
  'principal["owner"].x == ""',
  'principal.hasTag(principal.owner)',
  '[context.auth].contains("")',
  'context.scopes == ["x"]',
  'principal.owner',
  'Workload::"spiffe://example.org/a" has owner',
])('%s is for Cedar to say', (condition) => expect(policyOf(condition).applies).toBeUndefined())

test.for([
  'principal in Workload::"spiffe://example.org/a"',
  'principal is Workload in Workload::"spiffe://example.org/a"',
])('%s in a head is for Cedar to say', (principal) =>
  expect(policyOf('true', `permit (${principal}, action, resource)`).applies).toBeUndefined(),
)

test.for([
  'resource.env == ""',
  'principal.getTag("env") == ""',
  'principal.owner == 1',
  'context.auth < context.ttl',
])('where %s cannot be read, Cedar is asked', (condition) => {
  const policy = policyOf(condition)
  const asked = questionOf('')
  expect(() => policy.applies?.(asked)).toThrow(NotPlain)
  expect(plainAnswers([policy])(asked)).toBeUndefined()
})

test('of half a surrogate pair Cedar is to be told, which refuses it', () => {
  const [policy, asked] = [policyOf('principal.owner != ""'), questionOf('\ud834')]
  expect(plainAnswers([policy])(asked)).toBeUndefined()
})

test.for([
  ['principal is Workload, action, resource', true],
  ['principal is Operator, action, resource', false],
  ['principal, action in Action::"getToken", resource', true],
  ['principal, action == Action::"exchangeToken", resource', false],
  ['principal, action in [Action::"revoke", Action::"issueToken"], resource', true],
  ['principal, action in [], resource', false],
  ['principal, action, resource is Integration', false],
  ['principal, action, resource == Api::"https://a.example"', true],
  ['principal, action, resource == Integration::"https://a.example"', false],
  ['principal == Workload::"spiffe://example.org/b", action, resource', false],
] as const)('a head of %s applies: %s', ([head, is]) => {
  const policy = policyOf('true', `permit (${head})`)
  const asked = questionOf('')
  expect(policy.applies?.(asked)).toBe(is)
  expect(plainAnswers([policy])(asked)).toMatchObject({
    response: { decision: is ? 'allow' : 'deny' },
  })
})
