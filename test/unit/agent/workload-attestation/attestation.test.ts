import { describe, expect, test } from 'vitest'
import {
  type AskingCall,
  askingUntil,
  createAttestation,
} from '../../../../agent/workload-attestation/attestation.ts'
import type { WorkloadAttestor } from '../../../../agent/workload-attestation/attestor.ts'
import type { Caller } from '../../../../agent/workload-attestation/caller.ts'
import { FairQueue } from '../../../../agent/workload-attestation/fair-queue.ts'
import type { ProcessState } from '../../../../agent/workload-attestation/process-state.ts'
import type { Clock } from '../../../../src/runtime/clock.ts'
import { type Log, silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const call = askingUntil(new AbortController().signal)

const state: ProcessState = {
  startTime: '1',
  effectiveUid: 7,
  effectiveGid: 8,
  rights: '7\t7\t7\t7\n8\t8\t8\t8\n9',
  executable: undefined,
}

function callerOf(look: () => ProcessState = () => state): Caller {
  return { credentials: { pid: 1, uid: 7, gid: 8 }, look, release: () => {} }
}

function attestationOf(
  attestors: readonly WorkloadAttestor[],
  more: { clock?: Clock; log?: Log } = {},
): ReturnType<typeof createAttestation> {
  const clock = more.clock ?? new FakeClock()
  return createAttestation({
    attestors,
    clock,
    log: more.log ?? silentLog,
    queue: new FairQueue(clock),
    timeoutMs: 1000,
  })
}

const good: WorkloadAttestor = {
  type: 'good',
  attest: ({ uid, supplementaryGids }) => [
    { type: 'good', value: `uid:${uid}` },
    { type: 'good', value: `gid:${supplementaryGids.join()}` },
  ],
}
const slow: WorkloadAttestor = {
  type: 'slow',
  attest: async () => [{ type: 'a', value: 'b' }],
}
const bad: WorkloadAttestor = {
  type: 'bad',
  attest() {
    throw new Error('no')
  },
}
const late: WorkloadAttestor = { type: 'late', attest: () => new Promise(() => {}) }

describe('attestation', () => {
  test('joins what all attestors say, sorted and each once', async () => {
    const { selectors } = await attestationOf([good, slow, slow]).attest(callerOf(), call)
    expect(selectors.map(({ type, value }) => `${type}:${value}`)).toEqual([
      'a:b',
      'good:gid:9',
      'good:uid:7',
    ])
  })

  test('a failing attestor leaves its selectors out, is logged now and then, and counted', async () => {
    const lines: unknown[] = []
    const log: Log = { ...silentLog, warn: (_message, fields) => lines.push(fields?.['attestor']) }
    const clock = new FakeClock()
    const rejecting: WorkloadAttestor = {
      type: 'rejecting',
      attest: () => Promise.reject(new Error('no')),
    }
    const attestation = attestationOf([good, bad, rejecting], { log, clock })
    for (let round = 0; round < 5; round += 1) {
      const { selectors } = await attestation.attest(callerOf(), call)
      expect(selectors).toHaveLength(2)
    }
    expect(lines).toEqual(['bad', 'rejecting'])
    await clock.advance(10_000)
    await attestation.attest(callerOf(), call)
    expect(lines).toEqual(['bad', 'rejecting', 'bad', 'rejecting'])
    expect(Object.fromEntries(attestation.failures)).toEqual({ bad: 6, rejecting: 6 })
  })

  test('where all fail the caller is not attested', async () => {
    for (const attestors of [[bad], [bad, bad], []]) {
      await expect(attestationOf(attestors).attest(callerOf(), call)).rejects.toMatchObject({
        code: 'unavailable',
        reason: 'attestation-failed',
      })
    }
  })

  test('an attestor that hangs counts as failed after its time, and is told to stop', async () => {
    const clock = new FakeClock()
    let asked: AbortSignal | undefined
    const hanging: WorkloadAttestor = {
      type: 'late',
      attest(_process, { signal }) {
        asked = signal
        return new Promise(() => {})
      },
    }
    const attestation = attestationOf([good, hanging], { clock })
    const attested = attestation.attest(callerOf(), call)
    await clock.advance(999)
    expect(asked?.aborted).toBe(false)
    await clock.advance(1)
    expect((await attested).selectors).toHaveLength(2)
    expect(asked?.aborted).toBe(true)
    expect(attestation.failures.get('late')).toBe(1)
    expect(clock.sleeping).toBe(0)
  })

  test('a caller who leaves ends the waiting', async () => {
    const clock = new FakeClock()
    const leaving = new AbortController()
    const attested = attestationOf([late], { clock }).attest(
      callerOf(),
      askingUntil(leaving.signal),
    )
    leaving.abort()
    await expect(attested).rejects.toMatchObject({ name: 'AbortError' })
    expect(clock.sleeping).toBe(0)
  })

  test('a caller who left while it waited for its turn is not looked at, and one who stayed needs no signal', async () => {
    const clock = new FakeClock()
    const looked: boolean[] = []
    const attestation = createAttestation({
      attestors: [good],
      clock,
      log: silentLog,
      queue: new FairQueue(clock, { sliceJobs: 1 }),
      timeoutMs: 1000,
    })
    const left = new AbortController()
    const asked = [false, true].map((ended) => {
      const call: AskingCall = {
        ended,
        get signal() {
          if (!ended) throw new Error('must not be asked for')
          return left.signal
        },
      }
      return attestation.attest(
        callerOf(() => {
          looked.push(ended)
          return state
        }),
        call,
      )
    })
    left.abort()
    const [stayed, gone] = await Promise.allSettled(asked)
    expect([stayed?.status, gone?.status]).toEqual(['fulfilled', 'rejected'])
    expect(looked).toEqual([false])
  })

  test('T3 confirm refuses a process whose rights have changed since', async () => {
    let now = state
    const attested = await attestationOf([good]).attest(
      callerOf(() => now),
      call,
    )
    attested.confirm()
    now = { ...state, rights: `${state.rights} 10` }
    expect(() => attested.confirm()).toThrow(expect.objectContaining({ reason: 'caller-changed' }))
  })

  test('a caller that cannot be looked at is never asked about', async () => {
    const error = new Error('gone')
    const attestation = attestationOf([
      {
        type: 'never',
        attest() {
          throw new Error('must not be reached')
        },
      },
    ])
    const looking = attestation.attest(
      callerOf(() => {
        throw error
      }),
      call,
    )
    await expect(looking).rejects.toBe(error)
    expect(attestation.failures.size).toBe(0)
  })
})
