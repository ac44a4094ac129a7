import { expect, test } from 'vitest'
import {
  type Caller,
  nobody,
  type PeerSvid,
  type TlsPeer,
} from '../../../../server/access/caller.ts'
import { RateLimiter } from '../../../../server/access/limits.ts'
import { agentHandlers } from '../../../../server/api/agent.ts'
import { nextRequest } from '../../../../server/api/next-request.ts'
import { syncHandlers } from '../../../../server/api/sync.ts'
import type { RpcHandler } from '../../../../src/rpc/handler.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { agentIdOf } from '../entry/samples.ts'

const peer: TlsPeer = {
  transport: 'tls',
  address: '192.0.2.1:4711',
  svid: {
    spiffeId: agentIdOf('a'),
    serial: '01',
    expiresAt: new Date('2026-06-02T12:00:00Z'),
    authority: {} as PeerSvid['authority'],
  },
}
const caller: Caller = { ...nobody(peer), kind: 'agent', id: agentIdOf('a') }

/** A call on which the client never says a word; tells what it ended with. */
function silentCall(handler: RpcHandler<Caller> | undefined): () => unknown {
  let ended: unknown
  const call = {
    caller,
    signal: new AbortController().signal,
    ended: false,
    requests: () => ({
      [Symbol.asyncIterator]() {
        return this
      },
      next: () => new Promise(() => {}),
    }),
    onEnd: () => {},
    fail: (error: unknown) => {
      ended = error
    },
  }
  handler?.serve(call as never, call as never, () => Buffer.alloc(0))
  return () => ended
}

test('T12 a stream that is opened and never spoken on ends after 10 s', async () => {
  const clock = new FakeClock()
  const limits = { attest: new RateLimiter({ perSecond: 1, burst: 1 }, clock) }
  const attest = silentCall(agentHandlers({ clock, limits } as never)['AttestAgent'])
  const follow = silentCall(syncHandlers({ clock } as never)['Follow'])
  await clock.advance(9_999)
  expect([attest(), follow()]).toEqual([undefined, undefined])
  await clock.advance(1)
  expect(attest()).toMatchObject({ code: 'deadline', reason: 'request-missing' })
  expect(follow()).toMatchObject({ code: 'deadline', reason: 'request-missing' })
  expect(clock.sleeping).toBe(0)
})

test('a message that comes in time leaves no timer behind', async () => {
  const clock = new FakeClock()
  async function* requests() {
    yield 'hello'
  }
  expect(await nextRequest(clock, requests())).toEqual({ done: false, value: 'hello' })
  expect(clock.sleeping).toBe(0)
})
