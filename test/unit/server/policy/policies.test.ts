import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openPolicies, type Policies } from '../../../../server/policy/policies.ts'
import { folderSource } from '../../../../server/policy/policy-source.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import type { PolicyQuestion } from '../../../../src/policy/question.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

let folder: string
let records: AuditEvent[]
let unwritable: boolean

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cs-policy-'))
  records = []
  unwritable = false
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

function open(text: string): Promise<Policies> {
  put(text)
  return openPolicies({
    source: folderSource(folder),
    separateEnvironments: true,
    append: async (events) => {
      if (unwritable) throw new Error('the disk is full')
      records.push(...events)
    },
    clock: new FakeClock(),
    log: silentLog,
  })
}

function put(text: string): void {
  writeFileSync(join(folder, 'all.cedar'), text)
}

const question: PolicyQuestion = {
  action: 'issueToken',
  entry: {
    spiffeId: SpiffeId.parse('spiffe://example.org/web'),
    owner: 'web-team',
    purpose: 'serves the shop',
    labels: { env: 'prod' },
  },
  resource: { id: 'https://orders.example.org' },
  scopes: ['orders:read'],
  ttlSeconds: 60,
  auth: 'spiffe_x509',
  address: '10.0.0.1:4000',
}
const permitAll = '@id("all") permit (principal, action, resource);'

describe('the decision', () => {
  test.for([
    ['', 'policy-none', []],
    [permitAll, 'policy-permits', ['all']],
    [
      `${permitAll} @id("no") forbid (principal is Workload, action in Action::"getToken", resource) when { context.ttl > 30 };`,
      'policy-forbids',
      ['no'],
    ],
    [
      '@id("team") permit (principal is Workload, action in Action::"getToken", resource) when { principal.owner == "web-team" };',
      'policy-permits',
      ['team'],
    ],
    [
      '@id("env") permit (principal is Workload, action in Action::"getToken", resource) when { principal.hasTag("env") && principal.getTag("env") == "test" };',
      'policy-none',
      [],
    ],
    [
      '@id("x") permit (principal == Workload::"spiffe://example.org/web", action == Action::"issueToken", resource == Api::"https://orders.example.org") when { context.auth == "spiffe_x509" && context.scopes == ["orders:read"] };',
      'policy-permits',
      ['x'],
    ],
  ] as const)('of %s is %s', async ([text, reason, ids]) => {
    const decision = (await open(text)).decide(question)
    expect(decision).toEqual({ allowed: reason === 'policy-permits', reason, policies: ids })
  })

  test('of a policy that forbids and cannot be evaluated is no, though another permits', async () => {
    const overflow = `@id("odd") forbid (principal is Workload, action in Action::"getToken", resource) when { context.ttl * 9223372036854775807 > 0 };`
    const policies = await open(`${permitAll} ${overflow}`)
    expect(policies.decide(question)).toEqual({
      allowed: false,
      reason: 'policy-error',
      policies: ['odd'],
    })
  })
})

describe('a folder that changes', () => {
  test('is in force after two looks at the same, and both policies are on record by their hash', async () => {
    const policies = await open(permitAll)
    const before = policies.revision
    put('')
    await policies.look()
    expect(policies.decide(question).allowed).toBe(true)
    await policies.look()
    expect(policies.decide(question).reason).toBe('policy-none')
    expect(records.map(({ kind, policyRevision }) => [kind, policyRevision])).toEqual([
      ['policy.loaded', before],
      ['policy.loaded', policies.revision],
    ])
  })

  test('to something mistyped is refused once, and what was in force stays', async () => {
    const policies = await open(permitAll)
    const before = policies.revision
    put(`${permitAll} @id("b") forbid (principal, action, resource) when { context.scpes };`)
    for (let i = 0; i < 4; i += 1) await policies.look()
    expect(policies.decide(question).allowed).toBe(true)
    expect(policies.revision).toBe(before)
    expect(records.map(({ kind, reason }) => [kind, reason])).toEqual([
      ['policy.loaded', undefined],
      ['policy.refused', 'policy-schema'],
    ])
    put('')
    for (let i = 0; i < 2; i += 1) await policies.look()
    expect(policies.decide(question).reason).toBe('policy-none')
  })

  test('is not in force while that cannot be put on record, and is as soon as it can', async () => {
    const policies = await open(permitAll)
    unwritable = true
    put('')
    await policies.look()
    for (let i = 0; i < 2; i += 1) await expect(policies.look()).rejects.toThrow('full')
    expect(policies.decide(question).allowed).toBe(true)
    unwritable = false
    await policies.look()
    expect(policies.decide(question).reason).toBe('policy-none')
  })

  test('that is emptied is refused: to permit nothing takes a file', async () => {
    const policies = await open(permitAll)
    rmSync(join(folder, 'all.cedar'))
    for (let i = 0; i < 3; i += 1) await policies.look()
    expect(policies.decide(question).allowed).toBe(true)
    expect(records.map(({ reason }) => reason)).toEqual([undefined, 'policy-folder-empty'])
    put('')
    for (let i = 0; i < 2; i += 1) await policies.look()
    expect(policies.decide(question).allowed).toBe(false)
  })

  test('to nothing at all is refused, and what was in force stays', async () => {
    const policies = await open(permitAll)
    rmSync(folder, { recursive: true })
    for (let i = 0; i < 3; i += 1) await policies.look()
    expect(policies.decide(question).allowed).toBe(true)
    expect(records.map(({ reason }) => reason)).toEqual([undefined, 'policy-folder'])
  })
})
