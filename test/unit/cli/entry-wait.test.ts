import { expect, test } from 'vitest'
import { type RegistryClient, waitUntilHeld } from '../../../src/cli/entry-batch.ts'
import type { Io } from '../../../src/cli/io.ts'

const io = { note: () => {}, progress: (_: string, work: unknown) => work } as unknown as Io

test('the call outlasts the time that the server waits for the agents, so that it can say who is late', async () => {
  const calls: unknown[][] = []
  const registry = {
    unary: async (...call: unknown[]) => {
      calls.push(call)
      return { agents: [{ agent_id: 'spiffe://example.org/a', connected: true, applied: false }] }
    },
  } as unknown as RegistryClient
  await expect(waitUntilHeld(io, registry, '7', ['e'])).rejects.toMatchObject({
    reason: 'agents-late',
  })
  const [, request, options] = calls[0] as [string, { timeout_ms: number }, { timeoutMs: number }]
  expect(options.timeoutMs).toBeGreaterThan(request.timeout_ms)
})
