import { once } from 'node:events'
import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import type { Caller } from '../../../../../server/broker/caller.ts'
import { createCalls } from '../../../../../server/broker/routes/calls.ts'
import { SpiffeId } from '../../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'

const limits = { requestBytes: 1, responseBytes: 1, timeoutMs: 1000, durationMs: 1000, calls: 1 }
const caller: Caller = {
  ...{ spiffeId: SpiffeId.parse('spiffe://example.org/web'), auth: 'svid', owner: '', purpose: '' },
  ...{ entryId: undefined, subject: undefined, tokenId: undefined, transaction: undefined },
  ...{ actors: [], issuedAt: new Date(0) },
}

test('a call whose caller left while it was looked at does not go to the vendor', async () => {
  const calls = createCalls('acme', new FakeClock())
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  response.destroy()
  await once(response, 'close')
  const { signal, end } = calls.begin(caller, response, limits)
  expect(signal.reason).toMatchObject({ code: 'cancelled', reason: 'caller-left' })
  end()
})

test('calls that began under an earlier configuration count among those under way', () => {
  const calls = createCalls('acme', new FakeClock())
  const begin = (most: number) =>
    calls.begin(caller, new ServerResponse(new IncomingMessage(new Socket())), {
      ...limits,
      calls: most,
    })
  begin(1)
  expect(() => begin(1)).toThrow(expect.objectContaining({ reason: 'calls-many' }))
  begin(2)
  expect(calls.underWay()).toBe(2)
})
