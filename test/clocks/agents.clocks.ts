import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { isRunning, jumps, lacksFaketime, mostInHalfLife, watchedMs, whileLate } from './faked.ts'
import { type Joined, type Stand, startStand } from './stand.ts'

const skip = lacksFaketime()
let stand: Stand

beforeAll(async () => {
  if (!skip) stand = await startStand()
})

afterAll(() => stand?.stop())

/** That one of these clocks is wrong, and which way. */
const misdated = (seconds: number): string =>
  seconds < 0 ? 'svid-chain-not-yet-valid' : 'svid-chain-expired'

test.skipIf(skip)(
  'T20 an agent whose clock jumps asks for one SVID in half a life, as before, and says that a clock is wrong',
  async () => {
    const all: (Joined & { readonly seconds: number })[] = []
    for (const seconds of jumps) {
      all.push({ seconds, ...(await stand.joined(`agent${seconds}`)) })
    }
    const before = all.map(({ entryId }) => stand.issued(entryId).length)
    for (const { agent, seconds } of all) agent.jump(seconds)
    await systemClock.sleep(watchedMs)
    const seen = () =>
      all.map(({ agent, entryId, seconds }, at) => ({
        seconds,
        runs: isRunning(agent),
        mostInHalfLife: mostInHalfLife(stand.issued(entryId).slice(before[at])),
        says: agent.said().includes(misdated(seconds)),
      }))
    const isLate = () => seen().some(({ mostInHalfLife, says }) => mostInHalfLife === 0 || !says)
    await whileLate(isLate)
    const expected = { runs: true, mostInHalfLife: 1, says: true }
    expect(seen()).toEqual(jumps.map((seconds) => ({ seconds, ...expected })))
  },
)

test.skipIf(skip)(
  'T20 an agent that is to join with a wrong clock does not, says so, and joins with the same token once it is right',
  async () => {
    await Promise.all(
      jumps.map(async (seconds) => {
        const name = `late${seconds}`
        const agent = stand.agent(name, await stand.token(), seconds)
        await eventually(() => agent.said().includes(misdated(seconds)), 60_000)
        expect([seconds, isRunning(agent), await stand.isHealthy(name)]).toEqual([
          ...[seconds, true, false],
        ])
        agent.jump(0)
        await eventually(() => stand.isHealthy(name), 60_000)
      }),
    )
  },
)
