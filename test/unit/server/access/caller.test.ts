import { describe, expect, test } from 'vitest'
import {
  type Caller,
  type CallerFacts,
  classify,
  nobody,
  type Peer,
  type PeerSvid,
  shareOf,
  type TlsPeer,
} from '../../../../server/access/caller.ts'
import { createGuard } from '../../../../server/access/guard.ts'
import { RateLimiter } from '../../../../server/access/limits.ts'
import type { AgentRecord } from '../../../../server/store/records.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { agentIdOf, agentOf, idOf } from '../entry/samples.ts'

const now = new Date('2026-06-01T12:00:00Z')
const later = new Date('2026-06-01T13:00:00Z')

const authority = {} as PeerSvid['authority']

function tls(svid?: Partial<PeerSvid>): TlsPeer {
  return {
    transport: 'tls',
    address: '192.0.2.1:4711',
    ...(svid !== undefined && {
      svid: { spiffeId: agentIdOf('a'), serial: '01', expiresAt: later, authority, ...svid },
    }),
  }
}

function facts(
  agents: readonly AgentRecord[] = [],
  rights: Partial<ReturnType<CallerFacts['rights']>> = {},
): CallerFacts {
  return {
    now,
    agent: (id) => agents.find((agent) => agent.id === id),
    rights: () => ({ admin: false, downstream: false, ...rights }),
    trusts: () => true,
  }
}

function reasonOf(act: () => unknown): string {
  try {
    act()
    return 'accepted'
  } catch (error) {
    if (error instanceof CountersignError) return `${error.code} ${error.reason}`
    throw error
  }
}

describe('who a peer is', () => {
  test('who comes by the socket is local, who shows no certificate is nobody', () => {
    const local = classify({ transport: 'unix', pid: 7, uid: 8 }, facts())
    expect(local).toMatchObject({ kind: 'local', id: undefined, actor: { kind: 'local', uid: 8 } })
    expect(classify(tls(), facts())).toMatchObject({ kind: 'nobody', id: undefined })
  })

  test('an agent is one by the serial that counts now: the active one or the pending one', () => {
    const agent = agentOf('a', { serial: '01', pendingSerial: '02' })
    for (const serial of ['01', '02']) {
      const caller = classify(tls({ serial }), facts([agent]))
      expect(caller).toMatchObject({
        kind: 'agent',
        id: agent.id,
        actor: { kind: 'agent', serial },
      })
      expect([...caller.kinds]).toEqual(['agent'])
    }
    expect(reasonOf(() => classify(tls({ serial: '03' }), facts([agent])))).toBe(
      'forbidden agent-not-active',
    )
  })

  test('T26 an agent that was banned or evicted, or whose SVID has ended, is refused for that', () => {
    const of = (agents: readonly AgentRecord[], svid: Partial<PeerSvid> = {}) =>
      reasonOf(() => classify(tls(svid), facts(agents)))
    expect(of([])).toBe('forbidden agent-not-attested')
    expect(of([agentOf('a', { banned: true, serial: '' })])).toBe('forbidden agent-banned')
    expect(of([agentOf('a')], { expiresAt: now })).toBe('forbidden agent-expired')
    // Whoever is banned is told that, and not that its SVID is old.
    expect(of([agentOf('a', { banned: true })], { expiresAt: now })).toBe('forbidden agent-banned')
  })

  test('the ID of an agent is never that of a workload, not even with an admin entry or in another domain', () => {
    const foreign = SpiffeId.parse('spiffe://other.org/spire/agent/join_token/a')
    for (const spiffeId of [agentIdOf('a'), foreign]) {
      expect(reasonOf(() => classify(tls({ spiffeId }), facts([], { admin: true })))).toBe(
        'forbidden agent-not-attested',
      )
    }
  })

  test('other IDs are what their entries make them, all at once', () => {
    const peer = tls({ spiffeId: idOf('/ops') })
    const kinds = (rights: Partial<ReturnType<CallerFacts['rights']>>) => [
      ...classify(peer, facts([], rights)).kinds,
    ]
    expect(kinds({})).toEqual(['workload'])
    expect(kinds({ admin: true, downstream: true })).toEqual(['admin', 'downstream', 'workload'])
    expect(kinds({ downstream: true })).toEqual(['downstream', 'workload'])
  })

  test('T27 an SVID that ended after the handshake is refused', () => {
    const peer = tls({ spiffeId: idOf('/ops'), expiresAt: now })
    expect(reasonOf(() => classify(peer, facts([], { admin: true })))).toBe(
      'unauthenticated svid-expired',
    )
  })

  test('an RPC that is open to all sees no identity, whatever was shown', () => {
    expect(nobody(tls({}))).toMatchObject({
      kind: 'nobody',
      id: undefined,
      actor: { kind: 'node', address: '192.0.2.1:4711' },
    })
  })
})

test('T26 an SVID whose authority was revoked since is nobody any more, an agent or not', () => {
  const revoked = { ...facts([agentOf('a', { serial: '01' })]), trusts: () => false }
  for (const spiffeId of [agentIdOf('a'), idOf('/web')]) {
    expect(reasonOf(() => classify(tls({ spiffeId }), revoked))).toBe(
      'unauthenticated svid-authority-revoked',
    )
  }
})

test('T12 limits by address count a /64 of IPv6 as one, and an IPv4 address however it is written', () => {
  const share = (address: string) => shareOf(address)
  expect(share('192.0.2.1:5')).toBe('192.0.2.1')
  expect(share('[::ffff:192.0.2.1]:77')).toBe('192.0.2.1')
  expect(share('[2001:db8:1:2:3::1]:5')).toBe(share('[2001:db8:1:2:ffff::9]:6'))
  expect(share('[2001:db8:1:2::1]:5')).not.toBe(share('[2001:db8:1:3::1]:5'))
})

describe('the guard', () => {
  const attest = '/spire.api.server.agent.v1.Agent/AttestAgent'
  const follow = '/countersign.sync.v1.Sync/Follow'

  function guard(agents: readonly AgentRecord[], promote = async (_: PeerSvid) => {}) {
    const clock = new FakeClock(now)
    return createGuard({
      clock,
      agent: facts(agents).agent,
      rights: () => ({ admin: false, downstream: false }),
      trusts: () => true,
      promote,
      calls: new RateLimiter({ perSecond: 1, burst: 2 }, clock),
    })
  }

  test('T12 a network cannot get more of what is open to all by changing its address', () => {
    const admit = guard([])
    const from = (address: string) => reasonOf(() => admit({ transport: 'tls', address }, attest))
    expect([1, 2, 3].map((at) => from(`[2001:db8::${at}]:1000`))).toEqual([
      'accepted',
      'accepted',
      'exhausted rate-limited',
    ])
    expect(from('[2001:db8:0:1::1]:1000')).toBe('accepted')
  })

  test('W3C Trace Context §3.2 a call brings its trace along where it has one, and not two', () => {
    const trace = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`
    const admit = guard([agentOf('a', { serial: '01' })])
    const of = (peer: Peer, ...said: string[]) =>
      (admit(peer, follow, { get: () => said }) as Caller).trace
    expect(of(tls({ serial: '01' }), trace)).toBe(trace)
    expect(of(tls({ serial: '01' }), trace, trace)).toBeUndefined()
  })

  test('the first use of a pending SVID makes it the one that counts, before the call is served', async () => {
    const promoted: string[] = []
    const admit = guard([agentOf('a', { serial: '01', pendingSerial: '02' })], async (svid) => {
      promoted.push(`${svid.spiffeId} ${svid.serial}`)
    })
    expect(admit(tls({ serial: '01' }), follow)).toMatchObject({ kind: 'agent' })
    expect(promoted).toEqual([])
    expect(await admit(tls({ serial: '02' }), follow)).toMatchObject({ kind: 'agent' })
    expect(promoted).toEqual([`${agentIdOf('a')} 02`])
  })

  test('a pending SVID that cannot be made to count lets nobody in', async () => {
    const admit = guard([agentOf('a', { serial: '01', pendingSerial: '02' })], () =>
      Promise.reject(
        new CountersignError('forbidden', 'agent is banned', { reason: 'agent-banned' }),
      ),
    )
    await expect(admit(tls({ serial: '02' }), follow)).rejects.toMatchObject({
      reason: 'agent-banned',
    })
  })

  test('T25 a method that is not in the table is refused, and not repeated', () => {
    for (const method of ['/x/__proto__', 'constructor', '/evil/\u001b[31m']) {
      const admit = guard([agentOf('a')])
      let message = ''
      try {
        void admit(tls({}), method)
      } catch (error) {
        message = String(error)
      }
      expect(message).toContain('authorization denied for method unknown')
    }
  })
})
