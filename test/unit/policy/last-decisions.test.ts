import { expect, test } from 'vitest'
import { createPolicyEngine } from '../../../src/policy/engine.ts'
import { readPolicySet } from '../../../src/policy/policy-set.ts'
import type { IssueQuestion } from '../../../src/policy/question.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'

const now = new Date('2026-03-04T09:30:45Z')
const entry = {
  spiffeId: SpiffeId.parse('spiffe://example.org/web'),
  ...{ owner: 'web-team', purpose: '', labels: {} },
}
const question: IssueQuestion = {
  action: 'issueToken',
  ...{ entry, resource: { id: 'https://orders.example.org' }, scopes: ['orders:read'] },
  ...{ ttlSeconds: 60, auth: 'spiffe_x509', address: '10.0.0.1:4000' },
}
const { address } = question

async function start(when: string) {
  const engine = createPolicyEngine()
  const text = `@id("a") permit (principal, action == Action::"issueToken", resource) when { ${when} };`
  engine.load(await readPolicySet([{ name: 'a.cedar', text }], systemClock))
  return engine
}

/** In what a question can differ from `question`, and a policy that tells the two apart. */
const others = {
  entry: [{ ...entry, owner: 'others' }, 'principal.owner == "web-team"'],
  resource: [{ id: 'https://other.example.org' }, 'resource == Api::"https://orders.example.org"'],
  scopes: [['orders:write'], 'context.scopes.contains("orders:read")'],
  ttlSeconds: [61, 'context.ttl == 60'],
  auth: ['oidc', 'context.auth == "spiffe_x509"'],
  address: ['10.0.0.2:4000', 'context.address == ip("10.0.0.1")'],
} satisfies Record<keyof Omit<IssueQuestion, 'action'>, [unknown, string]>

test.for(Object.entries(others))(
  'what was decided of an entry before is not said of another %s',
  async ([part, [other, when]]) => {
    const engine = await start(when)
    const decide = (more: object = {}) => engine.decide({ ...question, ...more }, now)
    for (let n = 0; n < 2; n += 1) {
      expect(decide()).toMatchObject({ allowed: true })
      expect(decide({ [part]: other })).toMatchObject({ allowed: false })
    }
  },
)

test('T23 it is not said once other policies are in force', async () => {
  const engine = await start('true')
  const decide = () => engine.decide(question, now)
  expect([decide(), decide()]).toMatchObject([{ allowed: true }, { allowed: true, cached: true }])
  engine.load(new Map())
  expect(decide()).toEqual({ allowed: false, reason: 'policy-none', policies: [] })
})

test('it is not said of more scopes or fewer, nor in another minute', async () => {
  const scoped = await start('context.scopes == ["orders:read"]')
  const allows = (...scopes: string[]) => scoped.decide({ ...question, scopes }, now).allowed
  expect(allows('orders:read')).toBe(true)
  expect([allows('orders:read', 'orders:write'), allows()]).toEqual([false, false])
  const timed = await start('context.time < datetime("2026-03-04T09:31:00Z")')
  const at = (time: string) => timed.decide(question, new Date(`2026-03-04T${time}Z`)).allowed
  expect(['09:30:00', '09:30:59', '09:31:00', '09:30:59'].map(at)).toEqual([
    true,
    true,
    false,
    true,
  ])
})

test('addresses are told apart by all that is the host’s, and by nothing else', async () => {
  const engine = await start(
    'context.address == ip("2001:db8::1") || context.address == ip("10.0.0.1")',
  )
  const allows = (from: string) => engine.decide({ ...question, address: from }, now).allowed
  expect([address, '10.0.0.1:9', '10.0.0.1', '[::ffff:10.0.0.1]:9'].map(allows)).not.toContain(
    false,
  )
  expect(['[2001:db8::1]:80', '2001:db8::1', '[2001:db8::1]:9'].map(allows)).not.toContain(false)
  expect(['[2001:db8::2]:80', '2001:db8::2', '2001:db8::', '10.0.0.10'].map(allows)).not.toContain(
    true,
  )
})

test('a question that cannot be decided is denied each time', async () => {
  const engine = await start('context.ttl < 100')
  const odd = { ...question, ttlSeconds: 1.5 }
  for (let n = 0; n < 2; n += 1) {
    expect(engine.decide(odd, now)).toMatchObject({ allowed: false, reason: 'policy-error' })
  }
})
