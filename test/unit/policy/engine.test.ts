import { describe, expect, test } from 'vitest'
import { builtInPolicies } from '../../../src/policy/built-in.ts'
import { createPolicyEngine } from '../../../src/policy/engine.ts'
import { readPolicySet } from '../../../src/policy/policy-set.ts'
import { type PolicyQuestion, revocableKinds, type Target } from '../../../src/policy/question.ts'
import { factKinds } from '../../../src/revocation/fact.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'

const now = new Date('2026-03-04T09:30:45Z')
const entry = {
  spiffeId: SpiffeId.parse('spiffe://example.org/web'),
  owner: 'web-team',
  purpose: 'serves the shop',
  labels: { env: 'prod' },
}
const asked = { entry, scopes: ['orders:read'], ttlSeconds: 60, auth: 'spiffe_x509' }
const issue = (more: { address?: string; resource?: Target } = {}): PolicyQuestion => ({
  ...asked,
  action: 'issueToken',
  resource: { id: 'https://orders.example.org' },
  address: '10.0.0.1:4000',
  ...more,
})
const exchange: PolicyQuestion = {
  ...asked,
  action: 'exchangeToken',
  resource: { id: 'https://ledger.example.org' },
  address: '[2001:db8::1]:4000',
  subject: 'spiffe://example.org/job',
  actors: ['spiffe://example.org/web', 'spiffe://example.org/orders'],
  depth: 2,
  audience: 'https://orders.example.org',
}
const call: PolicyQuestion = {
  action: 'callVendor',
  entry,
  integration: { id: 'crm', owner: 'sales' },
  method: 'GET',
  path: '/v2/contacts/7',
  address: '10.0.0.1',
}
const token = {
  kind: 'token',
  id: '5f0c',
  client: 'spiffe://example.org/web',
  audience: 'https://orders.example.org',
  owner: 'web-team',
} as const
const revoke = (
  target: Extract<PolicyQuestion, { action: 'revoke' }>['target'],
  by: Extract<PolicyQuestion, { action: 'revoke' }>['by'] = { entry },
): PolicyQuestion => ({ action: 'revoke', by, target })

async function decide(text: string, question: PolicyQuestion, at: Date = now) {
  const engine = createPolicyEngine()
  const set = await readPolicySet([{ name: 'a.cedar', text }], systemClock)
  engine.load(new Map([...set, ...builtInPolicies({ separateEnvironments: true })]))
  const { reason, policies } = engine.decide(question, at)
  return [reason, ...policies]
}

const permit = (scope: string, when = 'true') =>
  `@id("a") permit (principal is Workload, ${scope}) when { ${when} };`
const issuing = 'action == Action::"issueToken", resource'

test.for<[string, PolicyQuestion, boolean]>([
  [permit(issuing), issue(), true],
  [permit(issuing), exchange, false],
  [permit('action in Action::"getToken", resource'), exchange, true],
  [permit('action in Action::"getToken", resource'), call, false],
  // A label whose name is told by another part of the question.
  [
    permit('action == Action::"callVendor", resource', 'principal.hasTag(context.method)'),
    call,
    false,
  ],
  [
    permit('action == Action::"callVendor", resource', 'principal.hasTag(context.method)'),
    { ...call, method: 'env' } as PolicyQuestion,
    true,
  ],
  [permit(issuing, 'context.address.isInRange(ip("10.0.0.0/8"))'), issue(), true],
  [
    permit(issuing, 'context.address.isInRange(ip("10.0.0.0/8"))'),
    issue({ address: '[::ffff:10.0.0.1]:4000' }),
    true,
  ],
  [
    permit(issuing, 'context.address.isInRange(ip("10.0.0.0/8"))'),
    issue({ address: '11.0.0.1:1' }),
    false,
  ],
  [permit(issuing, 'context.address.isLoopback()'), issue({ address: '::1' }), true],
  [permit(issuing, 'context.address.isIpv6()'), issue({ address: '[fe80::1%eth0]:1' }), true],
  [permit(issuing, 'context.time == datetime("2026-03-04T09:30:00Z")'), issue(), true],
  [
    permit(
      'action == Action::"exchangeToken", resource',
      `context.subject == "spiffe://example.org/job" && context.depth == 2
       && context.actors.contains("spiffe://example.org/orders") && context.audience like "https://orders*"`,
    ),
    exchange,
    true,
  ],
  [
    permit(
      'action == Action::"callVendor", resource == Integration::"crm"',
      `context.method == "GET" && context.path like "/v2/contacts/*" && resource has owner && resource.owner == "sales"
       && context.time.toTime() >= duration("9h") && context.time.toTime() < duration("10h")`,
    ),
    call,
    true,
  ],
  [
    permit('action == Action::"revoke", resource is Token', 'resource.owner == principal.owner'),
    revoke({ ...token, client: 'spiffe://example.org/x' }),
    true,
  ],
  [
    permit('action == Action::"revoke", resource is Transaction'),
    revoke({ kind: 'transaction', id: 't' }),
    true,
  ],
  [
    permit('action == Action::"revoke", resource == Api::"https://orders.example.org"'),
    revoke({ kind: 'audience', id: 'https://orders.example.org' }),
    true,
  ],
  [
    permit('action == Action::"revoke", resource is Transaction'),
    revoke({ kind: 'node', id: 't' }),
    false,
  ],
])('%s %o: %s', async ([text, question, allowed]) => {
  expect(await decide(text, question)).toEqual(allowed ? ['policy-permits', 'a'] : ['policy-none'])
})

describe('what policies that look at different things come to', () => {
  const policy = (id: string, effect: string, when: string) =>
    `@id("${id}") ${effect} (principal is Workload, ${issuing}) when { ${when} };`
  const byContext = policy('a', 'permit', 'context.ttl <= 60')
  const byPrincipal = policy('b', 'permit', 'principal.path like "/w*"')
  const no = policy('no', 'forbid', 'context.auth == "spiffe_x509"')
  const never = policy('never', 'forbid', 'principal.owner == "web-team"')
  const error = policy('x', 'forbid', 'resource has env && context.ttl * 9223372036854775807 > 0')
  // Looks at the same of a question, so that Cedar is asked about both at once, and leaves out the one that fails.
  const beside = policy('c', 'permit', 'resource has env && context.ttl <= 60')
  test.for([
    ['all that permit, where none forbids', [byContext, byPrincipal], ['policy-permits', 'a', 'b']],
    ['those that forbid', [byContext, byPrincipal, no, never], ['policy-forbids', 'never', 'no']],
    ['one that forbids', [byContext, never], ['policy-forbids', 'never']],
    ['one that permits', [beside], ['policy-permits', 'c']],
    ['one that cannot be evaluated beside it', [beside, error], ['policy-error', 'x']],
    ['one that cannot be evaluated', [byContext, byPrincipal, no, error], ['policy-error', 'x']],
    ['none that applies', [byContext.replace('<=', '>'), byPrincipal.replace('/w', '/x')]],
  ] as const)('%s', async ([, policies, decided = ['policy-none']]) => {
    const asked = issue({ resource: { id: 'https://orders.example.org', env: 'prod' } })
    expect(await decide(policies.join('\n'), asked)).toEqual(decided)
  })
})

test('a group of actions is known in a policy that is nested too deeply to be written anew', async () => {
  const deep = `${'context.ttl < 60 || '.repeat(120)}true`
  const text = permit('action in Action::"getToken", resource', deep)
  expect(await decide(text, issue())).toEqual(['policy-permits', 'a'])
  expect(await decide(text, exchange)).toEqual(['policy-permits', 'a'])
  expect(await decide(text, call)).toEqual(['policy-none'])
})

test('a decision that is remembered says so, and none is once other policies are loaded', async () => {
  const engine = createPolicyEngine()
  const text = '@id("all") permit (principal, action, resource);'
  const set = await readPolicySet([{ name: 'a.cedar', text }], systemClock)
  engine.load(set)
  const cached = () => engine.decide(issue(), now).cached
  expect([cached(), cached(), cached()]).toEqual([undefined, true, true])
  engine.load(set)
  expect([cached(), cached()]).toEqual([undefined, true])
})

test('T12 a question without end is decided, and not remembered', async () => {
  const engine = createPolicyEngine()
  const text = permit('action == Action::"callVendor", resource', 'context.path like "/*"')
  engine.load(await readPolicySet([{ name: 'a.cedar', text }], systemClock))
  const cached = (length: number) => {
    const asked = { ...call, path: `/${'x'.repeat(length)}` } as PolicyQuestion
    return [1, 2].map(() => engine.decide(asked, now).cached)
  }
  expect(cached(10)).toEqual([undefined, true])
  expect(cached(5000)).toEqual([undefined, undefined])
})

test.for<[string, PolicyQuestion]>([
  ['context.path like "/*"', { ...call, path: '/\ud800' } as PolicyQuestion],
  ['context.ttl < 60', { ...exchange, ttlSeconds: 1.5 } as PolicyQuestion],
  ['context.address.isIpv4()', issue({ address: 'example.org:80' })],
  ['principal.owner != ""', { ...call, entry: { ...entry, owner: undefined } } as never],
  ['context.auth != ""', { ...exchange, auth: undefined } as never],
  ['context.ttl < 60', { ...exchange, scopes: undefined } as never],
])(
  'what a policy looks at and Cedar cannot be told is an error, which is a no: %s',
  async ([when, asked]) => {
    const policies = `@id("all") permit (principal, action, resource);
    @id("a") forbid (principal is Workload, action == Action::"${asked.action}", resource) when { ${when} };`
    const [reason] = await decide(policies, asked)
    expect(reason).toBe('policy-error')
  },
)

test('what Cedar would throw at does not break it for the questions after, however often it is asked', async () => {
  const engine = createPolicyEngine()
  const text =
    '@id("all") permit (principal, action == Action::"callVendor", resource) when { context.address.isIpv4() && context.path like "/*" };'
  engine.load(await readPolicySet([{ name: 'a.cedar', text }], systemClock))
  for (let n = 0; n < 2000; n += 1) {
    const asked = { ...call, path: `/${n}\ud800` } as PolicyQuestion
    expect(engine.decide(asked, now).reason).toBe('policy-error')
  }
  // What only looks like it, and a whole pair, are told as ever.
  for (const path of ['/a', '/\\ud800', '/\u{1d11e}', '/\\\\ud800']) {
    const asked = { ...call, path } as PolicyQuestion
    expect(engine.decide(asked, now).reason).toBe('policy-permits')
  }
})

describe('without a policy of the operator', () => {
  test('a client may end its own token and nothing else, an operator anything', async () => {
    expect(await decide('', revoke(token))).toEqual(['policy-permits', 'countersign.own-token'])
    const others = revoke({ ...token, client: 'spiffe://example.org/x' })
    expect(await decide('', others)).toEqual(['policy-none'])
    // What the feed can say to be revoked is what a policy can be asked about.
    expect(['token', ...revocableKinds]).toEqual(factKinds)
    for (const kind of revocableKinds) {
      const target = { kind, id: 'x' }
      expect(await decide('', revoke(target))).toEqual(['policy-none'])
      expect(await decide('', revoke(target, { operator: 'local' }))).toEqual([
        'policy-permits',
        'countersign.operator-revokes',
      ])
    }
  })

  test('nothing is issued, exchanged or sent to a vendor', async () => {
    for (const question of [issue(), exchange, call]) {
      expect(await decide('', question)).toEqual(['policy-none'])
    }
  })
})

describe('NHI8 what belongs to an environment', () => {
  const all = '@id("all") permit (principal, action, resource);'
  test.for<[string | undefined, Record<string, string>, boolean]>([
    ['prod', { env: 'prod' }, true],
    ['prod', { env: 'test' }, false],
    ['prod', {}, false],
    [undefined, { env: 'test' }, true],
  ])('env %s is for labels %o: %s', async ([env, labels, allowed]) => {
    const from = { ...entry, labels }
    for (const question of [
      { ...issue(), resource: { id: 'r', env }, entry: from },
      { ...exchange, resource: { id: 'r', env }, entry: from },
      { ...call, integration: { id: 'i', env }, entry: from },
    ] as PolicyQuestion[]) {
      expect(await decide(all, question)).toEqual(
        allowed ? ['policy-permits', 'all'] : ['policy-forbids', 'countersign.environment'],
      )
    }
  })
})
