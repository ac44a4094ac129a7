import { afterEach, beforeEach, expect, test } from 'vitest'
import { openOwnSource } from '../../../../server/broker/own-source.ts'
import type { Log } from '../../../../src/runtime/log.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../../../src/testing/eventually.ts'
import { FakeWorkloadApi } from '../../../../src/testing/fake-workload-api.ts'

const wanted = SpiffeId.parse('spiffe://example.org/broker')
let api: FakeWorkloadApi
let said: string[]

beforeEach(async () => {
  api = await FakeWorkloadApi.start()
  said = []
})

afterEach(() => api.close())

function open(signal = new AbortController().signal) {
  const say = (message: string): void => void said.push(message)
  const log: Log = { debug: say, info: say, warn: say, error: say, child: () => log }
  const socket = api.endpoint.replace('unix://', '')
  return openOwnSource({ socket, spiffeId: wanted }, log, signal)
}

const waits = () => eventually(() => said.includes('the broker waits for its SVID'))

test('a broker whose agent has another SVID for it and not yet its own waits for that, and says so', async () => {
  await api.grant('spiffe://example.org/other')
  const opening = open()
  await waits()
  await api.grant(wanted)
  const source = await opening
  expect(source.svid().spiffeId).toBe(wanted)
  await source.close()
})

test('a broker that waits for its SVID ends when it is told to', async () => {
  await api.grant('spiffe://example.org/other')
  const stop = new AbortController()
  const opening = open(stop.signal)
  await waits()
  stop.abort(new DOMException('stopped', 'AbortError'))
  await expect(opening).rejects.toThrow('stopped')
})
