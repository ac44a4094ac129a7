import { expect, test } from 'vitest'
import { openChanges } from '../../../../server/changes/changes.ts'
import { openPolicies } from '../../../../server/policy/policies.ts'
import { storeSource } from '../../../../server/policy/store-source.ts'
import { addPolicySet } from '../../../../server/store/policy-sets.ts'
import type { Store } from '../../../../server/store/store.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { policyRevision } from '../../../../src/policy/policy-set.ts'
import type { PolicyQuestion } from '../../../../src/policy/question.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { tempDatabase, tempStore } from '../store/fixture.ts'

const clock = new FakeClock()
const node: PolicyQuestion = {
  action: 'revoke',
  by: {
    entry: { spiffeId: 'spiffe://example.org/a' as never, owner: '', purpose: '', labels: {} },
  },
  target: { kind: 'node', id: 'n' },
}
const permitAll = '@id("all") permit (principal, action, resource);'

async function put(store: Store, text: string): Promise<void> {
  const files = [{ name: 'a.cedar', text }]
  const set = { revision: policyRevision(files), files, appliedAt: clock.now(), appliedBy: 'x' }
  await store.write((tx) => addPolicySet(tx, set))
}

async function open(store: Store) {
  const records: AuditEvent[] = []
  const policies = await openPolicies({
    source: storeSource(store.db),
    separateEnvironments: true,
    append: async (events) => records.push(...events),
    clock,
    log: silentLog,
  })
  const told = () =>
    records.map(({ kind, reason }) => [kind, ...(reason ? [reason] : [])].join(' '))
  return { policies, told, allowed: () => policies.decide(node).allowed }
}

test('before anything was applied nothing is permitted; what is applied is in force at one look', async () => {
  await using store = await tempStore()
  const { policies, allowed, told } = await open(store)
  expect(allowed()).toBe(false)
  await put(store, permitAll)
  await policies.look()
  expect(allowed()).toBe(true)
  await put(store, '')
  await policies.look()
  expect(allowed()).toBe(false)
  expect(told()).toEqual(['policy.loaded', 'policy.loaded', 'policy.loaded'])
})

test('a server that cannot use what is there starts, permits nothing, and takes what comes next', async () => {
  await using store = await tempStore()
  await put(store, 'permit (')
  const { policies, allowed, told } = await open(store)
  expect(allowed()).toBe(false)
  await put(store, permitAll)
  await policies.look()
  expect(allowed()).toBe(true)
  expect(told()).toEqual(['policy.refused policy-syntax', 'policy.loaded'])
})

test('T10 what somebody else wrote, and a version that went back, change nothing', async () => {
  const database = await tempDatabase()
  await using store = await tempStore({ connect: database.connect })
  await put(store, '')
  await put(store, '@id("none") forbid (principal, action, resource);')
  const { policies, allowed, told } = await open(store)
  await put(store, permitAll)
  await database.execute(
    `update policy_sets set body = replace(body, '@id', ' @id') where version = 3`,
  )
  for (let i = 0; i < 3; i += 1) await policies.look()
  expect(allowed()).toBe(false)
  await database.execute('delete from policy_sets where version > 1')
  const again = policies.look()
  await again
  expect(allowed()).toBe(false)
  expect(policies.decide(node).policies).toEqual(['none'])
  expect(told()).toEqual(['policy.loaded', 'policy.refused policy-seal'])
})

test('a server that shares the database follows by itself', async () => {
  const { connect } = await tempDatabase()
  await using first = await tempStore({ connect })
  await using second = await tempStore({ connect })
  const { policies, allowed } = await open(second)
  const stopping = new AbortController()
  const log = { clock: systemClock, log: silentLog, onBatch: () => {} }
  const changes = await openChanges(second, log)
  changes.subscribe(({ policiesChanged }) => policiesChanged && policies.wake())
  const running = [changes.run(stopping.signal), policies.run(stopping.signal)]
  await put(first, permitAll)
  await expect.poll(allowed, { interval: 20 }).toBe(true)
  stopping.abort(new DOMException('stopped', 'AbortError'))
  await Promise.allSettled(running)
})

test('whoever waits for the next look need not wait where it is woken', async () => {
  await using store = await tempStore()
  const { policies, allowed } = await open(store)
  const stopping = new AbortController()
  const running = policies.run(stopping.signal)
  await put(store, permitAll)
  policies.wake()
  await expect.poll(allowed).toBe(true)
  stopping.abort(new DOMException('stopped', 'AbortError'))
  await expect(running).rejects.toThrow()
})
