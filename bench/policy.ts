// Decisions by 1,000 policies, each of which is for one workload: remembered; not remembered, by the slice of the
// workload; and, as the bare program, by Cedar with the whole set parsed beforehand. Per second of CPU.
import {
  preparsePolicySet,
  preparseSchema,
  statefulIsAuthorized,
} from '@cedar-policy/cedar-wasm/nodejs'
import { cedarQuestion, wholeRequest } from '../src/policy/cedar-request.ts'
import { createPolicyEngine } from '../src/policy/engine.ts'
import { readPolicySet } from '../src/policy/policy-set.ts'
import type { IssueQuestion } from '../src/policy/question.ts'
import { cedarSchema } from '../src/policy/schema.ts'
import { systemClock } from '../src/runtime/clock.ts'
import { SpiffeId } from '../src/spiffe-id/spiffe-id.ts'
import { rate, report, short } from './support/report.ts'

const policies = 1000
const rounds = short ? 2 : 5
const orders = 'https://orders.example.org'
const now = new Date()

const text = Array.from(
  { length: policies },
  (_, n) => `@id("p${n}") permit (
  principal == Workload::"spiffe://example.org/w${n}", action == Action::"issueToken", resource == Api::"${orders}"
) when {
  ["orders:read"].containsAll(context.scopes) && context.ttl <= 600 && context.address.isInRange(ip("10.0.0.0/8"))
};`,
).join('\n')
const set = await readPolicySet([{ name: 'bench.cedar', text }], systemClock)
const engine = createPolicyEngine()
engine.load(set)
const staticPolicies = Object.fromEntries([...set].map(([id, policy]) => [id, policy.text]))
preparseSchema('bench', cedarSchema)
preparsePolicySet('bench', { staticPolicies })

/** Another port is no other question, another lifetime is. */
const question = (n: number, ttlSeconds: number): IssueQuestion => ({
  action: 'issueToken',
  entry: {
    spiffeId: SpiffeId.parse(`spiffe://example.org/w${n % policies}`),
    owner: 'shop',
    purpose: 'serves the shop',
    labels: { env: 'prod' },
  },
  resource: { id: orders },
  scopes: ['orders:read'],
  ttlSeconds,
  auth: 'spiffe_jwt',
  address: '10.0.0.1:4000',
})
const whole = (asked: IssueQuestion): boolean => {
  const answer = statefulIsAuthorized({
    ...wholeRequest(cedarQuestion(asked, now)),
    preparsedSchemaName: 'bench',
    preparsedPolicySetId: 'bench',
    validateRequest: true,
  })
  return answer.type === 'success' && answer.response.decision === 'allow'
}
const sliced = (asked: IssueQuestion): boolean => engine.decide(asked, now).allowed

function perCpuSecond(
  count: number,
  ttlOf: (n: number) => number,
  decide: (asked: IssueQuestion) => boolean,
): number {
  const asked = Array.from({ length: count }, (_, n) => question(n, ttlOf(n)))
  const before = process.cpuUsage()
  if (!asked.every(decide)) throw new Error('what a policy permits was denied')
  const { user, system } = process.cpuUsage(before)
  return (count / (user + system)) * 1_000_000
}

// Each workload's slice is parsed once, and each decision remembered.
perCpuSecond(policies, () => 60, sliced)
const pairs = Array.from({ length: rounds }, (_, round) => ({
  bare: perCpuSecond(100, () => 60, whole),
  remembered: perCpuSecond(20_000, () => 60, sliced),
  // Each question for the first time.
  sliced: perCpuSecond(2 * policies, (n) => 100 + 2 * round + Math.floor(n / policies), sliced),
}))
report('policy', {
  remembered: rate(
    pairs.map(({ bare, remembered }) => ({ ours: remembered, bare })),
    50,
    '100,000/s',
  ),
  sliced: rate(
    pairs.map(({ bare, sliced: ours }) => ({ ours, bare })),
    15,
    '16,000/s',
  ),
})
