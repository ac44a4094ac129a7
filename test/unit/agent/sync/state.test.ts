import { beforeEach, expect, test } from 'vitest'
import { AgentState } from '../../../../agent/sync/state.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { agentBanned } from '../../../../src/rpc/agent-refusal.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

let clock: FakeClock
let state: AgentState
let seen: string[]
const away = new CountersignError('unavailable', 'away', { reason: 'away' })

beforeEach(() => {
  clock = new FakeClock()
  state = new AgentState(clock)
  seen = []
  state.listen((status) => seen.push(status))
})

test('an agent that starts says so until it follows a server', () => {
  expect(state.unavailable()).toMatchObject({ code: 'unavailable', reason: 'agent-starting' })
  state.attesting()
  expect(state.unavailable()).toMatchObject({ reason: 'agent-attesting' })
  state.contact()
  expect(state.unavailable()).toBeUndefined()
  expect(seen).toEqual(['attesting', 'ready'])
})

test('one that has been ready goes on without a server, and knows since when', async () => {
  state.contact()
  const contact = clock.now()
  await clock.advance(1000)
  state.lost(away)
  expect(state.unavailable()).toBeUndefined()
  expect(state.health).toEqual({
    status: 'offline-serving',
    since: clock.now(),
    lastContact: contact,
    lastError: away,
  })
  state.contact()
  expect(state.health.lastError).toBeUndefined()
  expect(seen).toEqual(['ready', 'offline-serving', 'ready'])
})

test('one that has never been ready serves nothing while there is no server', () => {
  state.lost(away)
  expect(state.unavailable()).toMatchObject({
    reason: 'agent-starting',
    fix: expect.stringContaining('server_address'),
    cause: away,
  })
})

test('one that is banned says so once, and what lets the node join again', () => {
  state.banned(agentBanned())
  expect(state.unavailable()).toMatchObject({
    message: 'the agent is banned',
    fix: expect.stringMatching(/countersign agent evict --id ID, countersign token create/),
  })
})

test('what was kept over a restart is served until that is too long ago', () => {
  state.restored(clock.now())
  expect(state.unavailable()).toBeUndefined()
  state.lost(away)
  expect(state.unavailable()).toBeUndefined()
  state.offlineTooLong()
  expect(state.unavailable()).toMatchObject({ reason: 'agent-starting' })
  state.contact()
  state.offlineTooLong()
  expect(state.unavailable()).toBeUndefined()
})

test('a ban and a lost membership serve nothing, and say what to do', () => {
  state.contact()
  state.banned(new CountersignError('forbidden', 'banned', { reason: 'agent-banned' }))
  expect(state.unavailable()).toMatchObject({
    code: 'unavailable',
    reason: 'agent-banned',
    fix: undefined,
  })
  state.lost(away)
  expect(state.status).toBe('banned')
  const fix = 'countersign token create'
  state.mustRejoin(
    new CountersignError('invalid', 'used up', { reason: 'join-token-refused', fix }),
  )
  expect(state.unavailable()).toMatchObject({ reason: 'agent-must-rejoin', fix })
})
