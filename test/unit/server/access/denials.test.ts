import { beforeEach, expect, test } from 'vitest'
import type { Peer } from '../../../../server/access/caller.ts'
import { createDenials, type Denials } from '../../../../server/access/denials.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const method = '/spire.api.server.entry.v1.Entry/ListEntries'
const denied = new CountersignError('forbidden', 'no', { reason: 'access-denied' })
const id = (path: string): SpiffeId => SpiffeId.parse(`spiffe://example.org${path}`)

function peer(path: string): Peer {
  const svid = { spiffeId: id(path), serial: 'ab', expiresAt: new Date(), authority: {} as never }
  return { transport: 'tls', address: '127.0.0.1:1', svid }
}

let clock: FakeClock
let recorded: AuditEvent[]
let full: boolean
let denials: Denials

beforeEach(() => {
  clock = new FakeClock()
  recorded = []
  full = false
  denials = createDenials({
    clock,
    rights: (one) => ({ admin: one === id('/admin'), downstream: false }),
    async append(events) {
      if (full) throw new Error('no room')
      recorded.push(...events)
    },
  })
})

test('a refusal names who asked, as what, for which call and why not', () => {
  for (const path of ['/spire/agent/join_token/1', '/admin', '/web']) {
    denials.note(peer(path), method, denied)
  }
  expect(recorded.map(({ actor }) => actor)).toEqual([
    { kind: 'agent', id: id('/spire/agent/join_token/1'), address: '127.0.0.1:1', serial: 'ab' },
    { kind: 'admin', id: id('/admin'), address: '127.0.0.1:1', serial: 'ab' },
    { kind: 'workload', id: id('/web'), address: '127.0.0.1:1', serial: 'ab' },
  ])
  expect(recorded[0]).toMatchObject({
    kind: 'access.denied',
    decision: 'deny',
    reason: 'access-denied',
    details: { method },
  })
})

test('nobody, and what failed for another reason, is not put on record', () => {
  denials.note({ transport: 'tls', address: '127.0.0.1:1' }, method, denied)
  denials.note({ transport: 'unix', uid: 0, pid: 1 }, method, denied)
  for (const code of ['invalid', 'unavailable', 'exhausted', 'not-found', 'internal'] as const) {
    denials.note(peer('/web'), method, new CountersignError(code, 'x', { reason: 'x' }))
  }
  denials.note(peer('/web'), method, new Error('x'))
  expect(recorded).toEqual([])
  expect(denials.leftOut).toBe(0)
})

test('T12 nobody fills the trail: few of each identity, few of all, and what is left out is counted', async () => {
  for (let i = 0; i < 1000; i += 1) denials.note(peer('/web'), method, denied)
  expect([recorded.length, denials.leftOut]).toEqual([5, 995])
  for (let i = 0; i < 1000; i += 1) denials.note(peer(`/web/${i}`), method, denied)
  expect([recorded.length, denials.leftOut]).toEqual([20, 985])
  expect(recorded[5]?.details).toEqual({ method, leftOut: 995 })
  await clock.advance(10_000)
  for (let i = 0; i < 1000; i += 1) denials.note(peer('/web'), method, denied)
  expect(recorded).toHaveLength(25)
  expect(recorded[20]?.details).toEqual({ method, leftOut: 985 })
  expect(recorded[21]?.details).toEqual({ method })
})

test('one that could not be written counts among those left out', async () => {
  full = true
  denials.note(peer('/web'), method, denied)
  await Promise.resolve()
  await Promise.resolve()
  full = false
  expect(denials.leftOut).toBe(1)
  denials.note(peer('/web'), method, denied)
  expect(recorded.map(({ details }) => details)).toEqual([{ method, leftOut: 1 }])
})
