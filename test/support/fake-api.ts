import { onTestFinished, vi } from 'vitest'
import type { FakeClock } from '../../src/testing/fake-clock.ts'
import {
  FakeWorkloadApi,
  type FakeWorkloadApiOptions,
} from '../../src/testing/fake-workload-api.ts'

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

/** Waits until what is expected has come about, in real time. */
export async function eventually(expected: () => boolean): Promise<void> {
  await vi.waitUntil(expected, { interval: 2, timeout: 5000 })
}

/** The same, while time passes for those who wait by the clock. */
export async function passing(clock: FakeClock, expected: () => boolean): Promise<void> {
  const look = async (): Promise<boolean> => {
    await clock.advance(1000)
    return expected()
  }
  await vi.waitUntil(look, { interval: 2, timeout: 5000 })
}
