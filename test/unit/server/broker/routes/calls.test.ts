import { once } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import type { Caller } from '../../../../../server/broker/caller.ts'
import { createCalls } from '../../../../../server/broker/routes/calls.ts'
import { asCountersignError, CountersignError } from '../../../../../src/errors.ts'
import { SpiffeId } from '../../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'

const limits = { requestBytes: 1, responseBytes: 1, timeoutMs: 1000, durationMs: 1000, calls: 1 }
const caller: Caller = {
  ...{ spiffeId: SpiffeId.parse('spiffe://example.org/web'), auth: 'svid', owner: '', purpose: '' },
  ...{ entryId: undefined, subject: undefined, tokenId: undefined, transaction: undefined },
  ...{ actors: [], shown: { claims: {}, keyId: undefined } },
  proof: { endsAtMs: undefined, holds: () => true },
}

const asked = { caller, check: () => {} }
const known = () => true

test('a call whose caller left while it was looked at does not go to the vendor', async () => {
  const calls = createCalls('acme', new FakeClock(), known)
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  response.destroy()
  await once(response, 'close')
  const { signal, end } = calls.begin(asked, response, limits)
  expect(signal.reason).toMatchObject({ code: 'cancelled', reason: 'caller-left' })
  end()
})

function response(request: { readonly complete: boolean } = { complete: true }): ServerResponse {
  return new ServerResponse(Object.assign(new IncomingMessage(new Socket()), request))
}
const ended = (signal: AbortSignal) => signal.reason?.reason

test('a call is ended where nothing has moved for its timeout, and after its duration in any case', async () => {
  const clock = new FakeClock()
  const calls = createCalls('acme', clock, known)
  const within = { ...limits, timeoutMs: 1000, durationMs: 3000, calls: 9 }
  const [still, moving] = [
    calls.begin(asked, response(), within),
    calls.begin(asked, response(), within),
  ]
  for (let at = 0; at < 5; at += 1) {
    await clock.advance(250)
    moving.moved()
  }
  expect([ended(still.signal), ended(moving.signal)]).toEqual(['vendor-timeout', undefined])
  for (let at = 0; at < 8; at += 1) {
    await clock.advance(250)
    moving.moved()
  }
  expect(ended(moving.signal)).toBe('vendor-timeout')
})

test('who is waited for is told apart: a caller who does not go on with his body, or takes nothing of his answer', async () => {
  const clock = new FakeClock()
  const calls = createCalls('acme', clock, known)
  const within = { ...limits, durationMs: 9000, calls: 9 }
  const [sending, waiting, full] = [
    response({ complete: false }),
    response({ complete: false }),
    response(),
  ]
  // What has come of this one, the vendor does not take.
  waiting.req.push('body')
  Object.defineProperty(full, 'writableNeedDrain', { value: true })
  const signals = [sending, waiting, full].map((one) => calls.begin(asked, one, within).signal)
  for (let at = 0; at < 5; at += 1) await clock.advance(250)
  expect(signals.map(ended)).toEqual(['caller-slow', 'vendor-timeout', 'caller-slow'])
})

test('of an integration that is shut all calls end at once, and none begins any more', () => {
  const calls = createCalls('acme', new FakeClock(), known)
  const { signal } = calls.begin(asked, response(), limits)
  calls.shut()
  expect(ended(signal)).toBe('integration-closed')
  expect(() => calls.begin(asked, response(), { ...limits, calls: 9 })).toThrow(
    expect.objectContaining({ reason: 'integration-closed' }),
  )
})

test('calls that could not begin now are ended with why, and the others go on', () => {
  const calls = createCalls('acme', new FakeClock(), known)
  const check = (): never => {
    throw new CountersignError('forbidden', 'no', { reason: 'policy-none' })
  }
  const [other, same] = [{ caller, check }, asked].map(
    (one) => calls.begin(one, response(), { ...limits, calls: 9 }).signal,
  )
  calls.checkAgain()
  expect([other?.reason, same?.aborted]).toMatchObject([{ reason: 'policy-none' }, false])
})

test('calls that began under an earlier configuration count among those under way', () => {
  const calls = createCalls('acme', new FakeClock(), known)
  const begin = (most: number) =>
    calls.begin(asked, new ServerResponse(new IncomingMessage(new Socket())), {
      ...limits,
      calls: most,
    })
  begin(1)
  expect(() => begin(1)).toThrow(expect.objectContaining({ reason: 'calls-many' }))
  begin(4)
  expect(calls.underWay()).toBe(2)
})

test('T12 one caller holds at most half of what the others leave, and the next has room for one at least', () => {
  const calls = createCalls('acme', new FakeClock(), known)
  const within = { ...limits, calls: 8 }
  const heldBy = (name: string): number | string => {
    const one = { ...caller, spiffeId: SpiffeId.parse(`spiffe://example.org/${name}`) }
    for (let held = 0; ; held += 1) {
      try {
        calls.begin({ ...asked, caller: one }, response(), within)
      } catch (error) {
        return `${held} ${asCountersignError(error).reason}`
      }
    }
  }
  expect(['a', 'b', 'c', 'd', 'e'].map(heldBy)).toEqual([
    ...['4 caller-calls-many', '2 caller-calls-many', '1 caller-calls-many'],
    ...['1 calls-many', '0 calls-many'],
  ])
})

test('a call that has ended makes room for another of its caller', () => {
  const calls = createCalls('acme', new FakeClock(), known)
  const begin = () => calls.begin(asked, response(), { ...limits, calls: 2 })
  const { end } = begin()
  expect(begin).toThrow(expect.objectContaining({ reason: 'caller-calls-many' }))
  end()
  expect(begin).not.toThrow()
})

test('where for five seconds nobody knew what was revoked all calls under way end, and after a shorter gap none', async () => {
  const clock = new FakeClock()
  let isKnown = true
  const calls = createCalls('acme', clock, () => isKnown)
  const within = { ...limits, timeoutMs: 600_000, durationMs: 600_000, calls: 9 }
  const after = async (ms: number) => {
    for (let at = 0; at < ms; at += 250) await clock.advance(250)
  }
  const first = calls.begin(asked, response(), within)
  await after(10_000)
  for (const gap of [4750, 4750]) {
    isKnown = false
    await after(gap)
    isKnown = true
    await after(250)
  }
  expect(ended(first.signal)).toBeUndefined()
  isKnown = false
  await after(2500)
  // It began as what was revoked was known; what it is not known for counts for all of them.
  const second = calls.begin(asked, response(), within)
  await after(2250)
  expect([first, second].map(({ signal }) => ended(signal))).toEqual([undefined, undefined])
  await after(250)
  expect([first, second].map(({ signal }) => signal.reason)).toMatchObject(
    Array(2).fill({ code: 'unavailable', reason: 'revocation-unknown' }),
  )
})

test('a call goes on no longer than its caller’s token counts, but what is answered within 30 s is not cut off', async () => {
  const clock = new FakeClock()
  const calls = createCalls('acme', clock, known)
  const within = { ...limits, timeoutMs: 600_000, durationMs: 600_000, calls: 99 }
  const begin = (endsInMs: number | undefined) => {
    const endsAtMs = endsInMs && clock.now().getTime() + endsInMs
    const proof = { ...caller.proof, endsAtMs }
    return calls.begin({ ...asked, caller: { ...caller, proof } }, response(), within).signal
  }
  const signals = [begin(1000), begin(60_000), begin(undefined)]
  const endedAfter = async (ms: number) => {
    await clock.advance(ms)
    return signals.map(ended)
  }
  expect(await endedAfter(29_750)).toEqual([undefined, undefined, undefined])
  expect(await endedAfter(250)).toEqual(['token-expired', undefined, undefined])
  expect(await endedAfter(29_750)).toEqual(['token-expired', undefined, undefined])
  expect(await endedAfter(250)).toEqual(['token-expired', 'token-expired', undefined])
})

test('a call ends as soon as the SVID of its connection counts no more', async () => {
  const clock = new FakeClock()
  const calls = createCalls('acme', clock, known)
  let isGood = true
  const gone = { ...caller, proof: { endsAtMs: undefined, holds: () => isGood } }
  const within = { ...limits, calls: 9 }
  const [going, staying] = [gone, caller].map(
    (one) => calls.begin({ ...asked, caller: one }, response(), within).signal,
  )
  await clock.advance(250)
  expect(going?.aborted).toBe(false)
  isGood = false
  await clock.advance(250)
  expect([going?.reason, staying?.aborted]).toMatchObject([
    { code: 'unauthenticated', reason: 'caller-svid' },
    false,
  ])
})

test('a call counts from its own start where no other was under way before', async () => {
  const clock = new FakeClock()
  const calls = createCalls('acme', clock, () => false)
  await clock.advance(60_000)
  const { signal } = calls.begin(asked, response(), {
    ...limits,
    timeoutMs: 60_000,
    durationMs: 60_000,
  })
  await clock.advance(250)
  expect(ended(signal)).toBeUndefined()
})
