import { onTestFinished } from 'vitest'
import { eventually } from '../../src/testing/eventually.ts'
import type { FakeClock } from '../../src/testing/fake-clock.ts'
import { FakeWorkloadApi } from '../../src/testing/fake-workload-api.ts'
import type { FakeWorkloadApiOptions } from '../../src/testing/script.ts'

/** A Workload API for one test. */
export async function startApi(options?: FakeWorkloadApiOptions): Promise<FakeWorkloadApi> {
  const api = await FakeWorkloadApi.start(options)
  onTestFinished(() => api.close())
  return api
}

export const web = 'spiffe://example.org/web'
export const db = 'spiffe://example.org/db'

/** gRPC status codes. */
export const status = {
  ok: 0,
  unknown: 2,
  invalid: 3,
  denied: 7,
  exhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
} as const

/** How many calls of an RPC came in. */
export function callsOf(api: FakeWorkloadApi, rpc: string): number {
  return api.calls.filter((call) => call.rpc === rpc).length
}

/** Waits, while time passes for those who wait by the clock, until what is expected has come about. */
export async function passing(clock: FakeClock, expected: () => boolean): Promise<void> {
  await eventually(async () => {
    await clock.advance(1000)
    return expected()
  })
}
