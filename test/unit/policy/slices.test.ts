import { isAuthorized } from '@cedar-policy/cedar-wasm/nodejs'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cedarQuestion, wholeRequest } from '../../../src/policy/cedar-request.ts'
import { createPolicyEngine } from '../../../src/policy/engine.ts'
import { readPolicySet } from '../../../src/policy/policy-set.ts'
import type { PolicyQuestion } from '../../../src/policy/question.ts'
import { cedarSchema } from '../../../src/policy/schema.ts'
import { createPolicySlices } from '../../../src/policy/slices.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'

const now = new Date('2026-03-04T09:30:45Z')
const ids = ['a', 'b', 'c'].map((name) => SpiffeId.parse(`spiffe://example.org/${name}`))
const apis = ['https://a.example', 'https://b.example', 'https://c.example']

const read = (text: string) => readPolicySet([{ name: 'a.cedar', text }], systemClock)

const overflow = 'context.ttl * 9223372036854775807 > 0'
const policy = fc.record({
  effect: fc.constantFrom('permit', 'permit', 'forbid'),
  principal: fc.constantFrom('is Workload', ...ids.slice(0, 2).map((id) => `== Workload::"${id}"`)),
  action: fc.constantFrom(
    'in Action::"getToken"',
    'in [Action::"issueToken"]',
    'in [Action::"issueToken", Action::"exchangeToken"]',
    '== Action::"issueToken"',
    '== Action::"exchangeToken"',
  ),
  resource: fc.constantFrom('', 'is Api', ...apis.slice(0, 2).map((id) => `== Api::"${id}"`)),
  when: fc.constantFrom(
    'true',
    'principal.owner == "shop"',
    'context.ttl < 60',
    'principal.hasTag("env") && principal.getTag("env") == "prod"',
    '["x"].containsAll(context.scopes)',
    'principal.owner == "shop" && context.ttl < 60',
    'resource has env && principal.hasTag("env") && principal.getTag("env") == resource.env',
    overflow,
  ),
})
const question = fc
  .record({
    exchange: fc.boolean(),
    spiffeId: fc.constantFrom(...ids),
    resource: fc.constantFrom(...apis),
    owner: fc.constantFrom('shop', 'pay'),
    env: fc.constantFrom('prod', 'test', undefined),
    scopes: fc.constantFrom(['x'], ['y'], ['x', 'y']),
    ttlSeconds: fc.constantFrom(30, 90),
  })
  .map(({ exchange, spiffeId, owner, env, resource, ...rest }): PolicyQuestion => {
    const labels: Record<string, string> = env === undefined ? {} : { env }
    const entry = { spiffeId, owner, purpose: '', labels }
    const token = { entry, resource: { id: resource }, auth: 'spiffe_jwt', address: '::1', ...rest }
    const shown = { subject: 's', actors: [], depth: 1, audience: 'a' }
    return exchange
      ? { action: 'exchangeToken', ...token, ...shown }
      : { action: 'issueToken', ...token }
  })

/** By the whole set at once, parsed for this question alone. */
function whole(staticPolicies: Record<string, string>, asked: PolicyQuestion) {
  const answer = isAuthorized({
    ...wholeRequest(cedarQuestion(asked, now)),
    schema: cedarSchema,
    policies: { staticPolicies },
    validateRequest: true,
  })
  if (answer.type === 'failure') throw new Error(answer.errors[0]?.message)
  const { decision, diagnostics } = answer.response
  const failed = diagnostics.errors.map(({ policyId }) => policyId).sort()
  if (failed.length > 0) return { allowed: false, policies: failed }
  return { allowed: decision === 'allow', policies: [...diagnostics.reason].sort() }
}

test('what slices decide, and what is remembered, is what the whole set says', async () => {
  const engine = createPolicyEngine()
  const property = fc.asyncProperty(
    fc.array(policy, { maxLength: 12 }),
    fc.array(question, { minLength: 1, maxLength: 6 }),
    async (policies, questions) => {
      const texts = policies.map(
        ({ effect, principal, action, resource, when }, n) =>
          `@id("p${n}") ${effect} (principal ${principal}, action ${action}, resource ${resource}) when { ${when} };`,
      )
      const set = await read(texts.join('\n'))
      engine.load(set)
      const byId = Object.fromEntries([...set].map(([id, { text }]) => [id, text]))
      for (const asked of [...questions, ...questions]) {
        const { allowed, policies: decided } = engine.decide(asked, now)
        expect({ allowed, policies: decided }).toEqual(whole(byId, asked))
      }
    },
  )
  await fc.assert(property, { numRuns: 25 })
})

test('where few may be kept parsed, slices give way to each other and decide the same', async () => {
  const slices = createPolicySlices(4)
  const own = ids.map(
    (id, n) =>
      `@id("p${n}") permit (principal == Workload::"${id}", action, resource == Api::"${apis[n]}");`,
  )
  slices.load(
    await read([...own, '@id("all") permit (principal is Operator, action, resource);'].join('\n')),
  )
  for (let round = 0; round < 3; round += 1) {
    for (const [n, spiffeId] of ids.entries()) {
      for (const [m, id] of apis.entries()) {
        const entry = { spiffeId, owner: '', purpose: '', labels: {} }
        const wish = {
          entry,
          resource: { id },
          scopes: ['x'],
          ttlSeconds: 1,
          auth: 'a',
          address: '::1',
        }
        const asked = cedarQuestion({ action: 'issueToken', ...wish }, now)
        const answers = slices.of(asked).map((group) => group.evaluate(group.project(asked)))
        const decisions = answers.map((one) => one.type === 'success' && one.response.decision)
        expect(decisions).toEqual([n === m ? 'allow' : 'deny'])
      }
    }
  }
})

test('of two questions only those policies are asked again that can tell them apart', async () => {
  const slices = createPolicySlices()
  slices.load(
    await read(`@id("ttl") permit (principal is Workload, action in Action::"getToken", resource)
      when { context.ttl <= 60 };
    @id("path") forbid (principal is Workload, action, resource == Api::"${apis[0]}")
      unless { principal.path like "/a*" };
    @id("both") forbid (principal is Workload, action == Action::"issueToken", resource)
      when { principal.purpose == "" && context.auth == "spiffe_jwt" };
    @id("all") permit (principal, action, resource);`),
  )
  const asked = (n: number, ttlSeconds: number, purpose = 'p') => {
    const entry = { spiffeId: ids[n] as SpiffeId, owner: 'o', purpose, labels: {} }
    const wish = { resource: { id: apis[0] as string }, scopes: ['x'], ttlSeconds, address: '::1' }
    const question = { action: 'issueToken', entry, auth: 'spiffe_jwt', ...wish } as const
    return cedarQuestion(question, now)
  }
  const requests = (...of: Parameters<typeof asked>) =>
    new Map(slices.of(asked(...of)).map(({ key, project }) => [key, project(asked(...of))]))
  const differing = (one: ReturnType<typeof requests>, other: ReturnType<typeof requests>) =>
    [...one].filter(([key, request]) => JSON.stringify(request) !== JSON.stringify(other.get(key)))
  const first = requests(0, 60)
  expect(first.size).toBe(4)
  expect(differing(first, requests(0, 60))).toHaveLength(0)
  for (const other of [requests(1, 60), requests(0, 61), requests(0, 60, 'q')]) {
    expect([...other.keys()]).toEqual([...first.keys()])
    expect(differing(first, other)).toHaveLength(1)
  }
  expect(differing(first, requests(1, 61, 'q'))).toHaveLength(3)
})

test('each thing that a policy can look at makes another question of it', async () => {
  const engine = createPolicyEngine()
  const entry = {
    spiffeId: ids[0] as SpiffeId,
    owner: 'shop',
    purpose: 'p',
    labels: { env: 'prod' },
  }
  const asked = {
    action: 'exchangeToken',
    entry,
    resource: { id: 'https://a.example', owner: 'o', env: 'prod' },
    scopes: ['x'],
    ttlSeconds: 30,
    auth: 'spiffe_jwt',
    address: '10.0.0.1:1',
    subject: 's',
    actors: ['a'],
    depth: 1,
    audience: 'u',
  } as const
  const conditions = [
    'principal.id like "*/a"',
    'principal.owner == "shop"',
    'principal.purpose == "p"',
    'principal.hasTag("env") && principal.getTag("env") == "prod"',
    'resource has owner && resource.owner == "o"',
    'resource has env && resource.env == "prod"',
    'context.scopes == ["x"]',
    'context.ttl == 30',
    'context.auth == "spiffe_jwt"',
    'context.address == ip("10.0.0.1")',
    'context.time == datetime("2026-03-04T09:30:00Z")',
    'context.subject == "s"',
    'context.actors == ["a"]',
    'context.depth == 1',
    'context.audience == "u"',
  ]
  const text = `@id("a") permit (principal is Workload, action == Action::"exchangeToken", resource)
    when { ${conditions.join(' && ')} };`
  engine.load(await read(text))
  const later = new Date(now.getTime() + 60_000)
  const others: readonly [PolicyQuestion, Date?][] = [
    [{ ...asked, entry: { ...entry, spiffeId: ids[1] as SpiffeId } }],
    [{ ...asked, entry: { ...entry, owner: 'pay' } }],
    [{ ...asked, entry: { ...entry, purpose: '' } }],
    [{ ...asked, entry: { ...entry, labels: {} } }],
    [{ ...asked, resource: { ...asked.resource, owner: 'x' } }],
    [{ ...asked, resource: { ...asked.resource, env: 'x' } }],
    [{ ...asked, scopes: ['y'] }],
    [{ ...asked, ttlSeconds: 31 }],
    [{ ...asked, auth: 'spiffe_x509' }],
    [{ ...asked, address: '10.0.0.2:1' }],
    [asked, later],
    [{ ...asked, subject: 't' }],
    [{ ...asked, actors: [] }],
    [{ ...asked, depth: 2 }],
    [{ ...asked, audience: 'v' }],
  ]
  expect(others).toHaveLength(conditions.length)
  for (const [other, at] of others) {
    expect(engine.decide(asked, now).allowed).toBe(true)
    expect(engine.decide(other, at ?? now).reason).toBe('policy-none')
  }
})

test('what no policy looks at makes no other question of it', async () => {
  const engine = createPolicyEngine()
  const text = `@id("a") permit (principal is Workload, action, resource) when { context has ttl && context.ttl == 30 };
    @id("b") permit (principal == Workload::"${ids[2]}", action, resource == Api::"https://c.example");`
  engine.load(await read(text))
  const entry = { spiffeId: ids[0] as SpiffeId, owner: 'o', purpose: 'p', labels: { env: 'prod' } }
  const asked = {
    action: 'issueToken',
    entry,
    resource: { id: 'https://a.example', owner: 'o', env: 'prod' },
    scopes: ['x'],
    ttlSeconds: 30,
    auth: 'spiffe_jwt',
    address: '10.0.0.1:1',
  } as const
  const other = {
    action: 'issueToken',
    entry: { spiffeId: ids[1] as SpiffeId, owner: '', purpose: '', labels: {} },
    resource: { id: 'https://b.example' },
    scopes: ['y', 'z'],
    ttlSeconds: 30,
    auth: 'oidc',
    address: '[::1]:1',
  } as const
  const later = new Date(now.getTime() + 3_600_000)
  const granted = { allowed: true, reason: 'policy-permits', policies: ['a'] }
  expect(engine.decide(asked, now)).toEqual(granted)
  expect(engine.decide(other, later)).toEqual({ ...granted, cached: true })
  expect(engine.decide({ ...other, ttlSeconds: 31 }, later)).toMatchObject({ allowed: false })
  // What policies it has in common with others has one answer still.
  const named = { ...other, entry: { ...entry, spiffeId: ids[2] as SpiffeId } }
  expect(engine.decide(named, now)).toEqual({ ...granted, cached: true })
  expect(engine.decide({ ...named, resource: { id: 'https://c.example' } }, now)).toEqual({
    ...granted,
    policies: ['a', 'b'],
  })
})

test('another set forgets what was decided by the one before', async () => {
  const engine = createPolicyEngine()
  const asked: PolicyQuestion = {
    action: 'revoke',
    by: { operator: 'o' },
    target: { kind: 'node', id: 'n' },
  }
  const all = '@id("all") permit (principal, action, resource);'
  for (const [text, allowed] of [
    [all, true],
    ['', false],
    [all, true],
  ] as const) {
    engine.load(await read(text))
    for (let again = 0; again < 2; again += 1)
      expect(engine.decide(asked, now).allowed).toBe(allowed)
  }
})
