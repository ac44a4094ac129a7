import { expect, test } from 'vitest'
import { isClean, type Outcome, Tally } from './tally.ts'

const old = 'aa'
const next = 'bb'

function outcome(
  authorities: readonly [client: string, server: string] | Error,
  beganMs = 0,
): Outcome {
  const ends = { pair: 'go→node', from: 'spiffe://td/go', to: 'spiffe://td/node', beganMs }
  if (authorities instanceof Error) return { ...ends, result: authorities }
  const [seenAuthority, peerAuthority] = authorities
  return { ...ends, result: { peer: ends.to, peerAuthority, seenAs: ends.from, seenAuthority } }
}

/** A run in which all went well, to which each test adds one thing. */
function goodRun(): Tally {
  const tally = new Tally(5000)
  tally.add(outcome([old, old]))
  tally.addStuck(outcome([old, next]))
  tally.revoke(old, 10_000)
  tally.add(outcome([next, next], 16_000))
  tally.addStuck(outcome(new Error('unknown authority'), 16_000))
  return tally
}

test('a run is clean in which nobody failed, and the revoked one was let in before and refused after', () => {
  const report = goodRun().report(1000)
  expect(report).toMatchObject({
    connections: 2,
    perSecond: 2,
    pairs: { 'go→node': { ok: 2, failed: 0 } },
    stuck: { before: { ok: 1, refused: 0 }, after: { ok: 0, refused: 1 } },
  })
  expect(isClean(report)).toBe(true)
  expect(goodRun().shows).toEqual(
    new Map([
      ['spiffe://td/go', next],
      ['spiffe://td/node', next],
    ]),
  )
})

test.each([
  ['a connection failed', outcome(new Error('timeout'))],
  ['its client shows what was revoked, too late', outcome([old, next], 15_001)],
  ['its server shows what was revoked, too late', outcome([next, old], 15_001)],
])('a run is not clean where %s', (_, added) => {
  const tally = goodRun()
  tally.add(added)
  expect(isClean(tally.report(1000))).toBe(false)
  expect(tally.failures).toHaveLength(1)
})

test('what was revoked may be shown for the seconds that it takes to tell everyone', () => {
  const tally = goodRun()
  tally.add(outcome([old, old], 14_999))
  expect(isClean(tally.report(1000))).toBe(true)
})

test('a peer that is not the one that was dialled, or took the client for another, is a failure', () => {
  const tally = goodRun()
  const { result, ...ends } = outcome([next, next])
  tally.add({ ...ends, result: { ...result, seenAs: 'spiffe://td/other' } as Outcome['result'] })
  expect(tally.report(1000)).toMatchObject({ failedAfterRevoke: 1 })
})

test('a run is not clean where the revoked one was let in, or where nobody tried', () => {
  const tally = goodRun()
  tally.addStuck(outcome([old, next], 16_000))
  expect(isClean(tally.report(1000))).toBe(false)
  expect(isClean(new Tally(5000).report(1000))).toBe(false)
})
