import { expect, test } from 'vitest'
import { builtInPolicies } from '../../../src/policy/built-in.ts'
import { createPolicyEngine } from '../../../src/policy/engine.ts'
import { explain } from '../../../src/policy/explain.ts'
import { readPolicySet } from '../../../src/policy/policy-set.ts'
import type { PolicyQuestion } from '../../../src/policy/question.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'

const question: PolicyQuestion = {
  action: 'issueToken',
  entry: {
    spiffeId: SpiffeId.parse('spiffe://example.org/web'),
    owner: 'shop',
    purpose: '',
    labels: {},
  },
  resource: { id: 'orders', env: 'prod' },
  scopes: ['orders:write'],
  ttlSeconds: 300,
  auth: 'spiffe_jwt',
  address: '10.0.0.1:4000',
}

async function why(text: string, asked: PolicyQuestion = question) {
  const set = await readPolicySet([{ name: 'a.cedar', text }], systemClock)
  const all = new Map([...set, ...builtInPolicies({ separateEnvironments: true })])
  const engine = createPolicyEngine()
  engine.load(all)
  const now = systemClock.now()
  return explain(all, engine.decide(asked, now), asked, now, systemClock)
}

const own = { ...question, resource: { id: 'orders' } }

test('whoever permits or forbids is named with its place and its text', async () => {
  const text = '\n@id("all") permit (principal, action, resource);'
  const yes = await why(text, own)
  expect(yes.decision.allowed).toBe(true)
  expect(yes.deciding.map(({ id, place }) => [id, place])).toEqual([['all', 'a.cedar:2']])
  const no = await why(text)
  expect(no.decision.reason).toBe('policy-forbids')
  expect(no.deciding.map(({ id, place }) => [id, place])).toEqual([
    ['countersign.environment', 'built in'],
  ])
  expect(no.nearest).toEqual([])
})

test('where nobody permits, the nearest are named first, each with every part that is not so', async () => {
  const text = `
@id("vendor") permit (principal is Workload, action == Action::"callVendor", resource)
when { context.method == "GET" };
@id("scope") permit (principal is Workload, action in Action::"getToken", resource == Api::"orders")
when { principal.owner == "shop" && ["orders:read"].containsAll(context.scopes) };
@id("other") permit (
  principal == Workload::"spiffe://example.org/other", action == Action::"issueToken", resource
);
@id("tag") permit (principal is Workload, action in Action::"getToken", resource == Api::"orders")
when { principal.hasTag("env") && principal.getTag("env") == "prod" && context.ttl < 60 }
unless { context.auth == "spiffe_jwt" };
@id("no") forbid (principal, action, resource) when { false || principal is Operator };`
  const { decision, nearest } = await why(text, own)
  expect(decision.reason).toBe('policy-none')
  expect(nearest.map(({ policy, missing }) => [policy.id, ...missing])).toEqual([
    ['scope', 'when { ["orders:read"].containsAll(context.scopes) }'],
    [
      'tag',
      // What the tag is has no answer where there is none.
      'when { principal.hasTag("env") }',
      'when { context.ttl < 60 }',
      'unless { context.auth == "spiffe_jwt" }',
    ],
    ['vendor', 'action == Action::"callVendor"'],
  ])
  const [first] = (await why(text.replace(/@id\("scope"\)[^;]*;/, ''), { ...own })).nearest
  expect(first?.policy.id).toBe('tag')
})

test('a principal or resource that is another one is told as Cedar writes it', async () => {
  const { nearest } = await why(
    `@id("a") permit (
      principal == Workload::"spiffe://example.org/x", action == Action::"exchangeToken", resource == Api::"y"
    );`,
    own,
  )
  expect(nearest[0]?.missing).toEqual([
    'principal == Workload::"spiffe://example.org/x"',
    'action == Action::"exchangeToken"',
    'resource == Api::"y"',
  ])
})

test('a policy that cannot be evaluated is named', async () => {
  const { decision, deciding } = await why(
    `@id("all") permit (principal, action, resource);
@id("odd") forbid (principal is Workload, action in Action::"getToken", resource)
when { context.ttl * 9223372036854775807 > 0 };`,
    own,
  )
  expect(decision.reason).toBe('policy-error')
  expect(deciding.map(({ id }) => id)).toEqual(['odd'])
})

test('a policy whose parts are nested too deeply is not named, and hides no other', async () => {
  const text = `
@id("deep") permit (principal is Workload, action == Action::"issueToken", resource == Api::"orders")
when { ${'context.ttl == 1 || '.repeat(200)} false };
@id("near") permit (principal is Workload, action == Action::"issueToken", resource == Api::"orders")
when { context.ttl == 1 };`
  const { nearest } = await why(text, own)
  expect(nearest.map(({ policy, missing }) => [policy.id, missing])).toEqual([
    ['near', ['when { context.ttl == 1 }']],
  ])
})

test('what a policy does not look at has no part in why', async () => {
  const text = `
@id("near") permit (principal is Workload, action == Action::"issueToken", resource == Api::"orders")
when { principal.owner == "shop" && context.ttl == 1 };`
  const { decision, nearest } = await why(text, { ...own, address: 'nowhere' } as PolicyQuestion)
  expect(decision.reason).toBe('policy-none')
  expect(nearest.map(({ missing }) => missing)).toEqual([['when { context.ttl == 1 }']])
})
