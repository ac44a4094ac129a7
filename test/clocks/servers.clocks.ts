import { afterAll, expect, test } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'
import { isRunning, jumps, lacksFaketime, mostInHalfLife, watchedMs, whileLate } from './faked.ts'
import { type Joined, type Stand, startStand } from './stand.ts'

const skip = lacksFaketime()
const stands: Stand[] = []

afterAll(() => Promise.all(stands.map((stand) => stand.stop())))

/** What is signed after the jump, what /ready says, and what the agent hears. */
function expected(seconds: number): { signs: boolean; ready: string; agentSays: string } {
  if (seconds < 0) {
    return { signs: false, ready: 'clock-went-back', agentSays: 'clock-went-back' }
  }
  return seconds < 86_400
    ? { signs: true, ready: 'ok', agentSays: 'svid-chain-not-yet-valid' }
    : // The agent's own SVID, of a day, has ended by that clock.
      { signs: false, ready: 'ok', agentSays: 'agent-expired' }
}

test.skipIf(skip)(
  'T20 a server whose clock jumps signs nothing where it went back, once in half a life where it went on, and is not asked in a loop',
  async () => {
    const all: (Joined & { readonly seconds: number; readonly stand: Stand })[] = []
    for (const seconds of jumps) {
      const stand = await startStand()
      stands.push(stand)
      all.push({ seconds, stand, ...(await stand.joined('agent')) })
    }
    const jumpedMs = systemClock.monotonicMs()
    for (const { stand, seconds } of all) stand.server.jump(seconds)
    await systemClock.sleep(watchedMs)
    // By that clock: what was on its way as it jumped is of before.
    const times = (at: number) => {
      const { stand, entryId, seconds } = all[at] as (typeof all)[number]
      const halfwayMs = Date.now() + 500 * seconds
      const isAfter = (time: Date) => (seconds < 0 ? +time < halfwayMs : +time > halfwayMs)
      return stand.issued(entryId).filter(isAfter)
    }
    const isLate = ({ agent, seconds }: (typeof all)[number], at: number): boolean => {
      const { signs, agentSays } = expected(seconds)
      return (signs && times(at).length === 0) || !agent.said().includes(agentSays)
    }
    await whileLate(() => all.some(isLate))
    for (const [at, { stand, agent, seconds }] of all.entries()) {
      const { signs, ready, agentSays } = expected(seconds)
      const refused = agent.said().split('no SVIDs from the server').length - 1
      expect({
        seconds,
        run: [isRunning(stand.server), isRunning(agent)],
        mostInHalfLife: mostInHalfLife(times(at)),
        ready: (await stand.ready()).trim(),
        says: agent.said().includes(agentSays),
        // A second and a half between two of them, after the first few.
        loops: refused > 5 + (systemClock.monotonicMs() - jumpedMs) / 1500,
      }).toEqual({
        seconds,
        run: [true, true],
        ...{ mostInHalfLife: signs ? 1 : 0, ready, says: true, loops: false },
      })
    }
  },
)
