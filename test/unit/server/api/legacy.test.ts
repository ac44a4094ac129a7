import { expect, test } from 'vitest'
import type { Caller } from '../../../../server/access/caller.ts'
import { legacyHandlers } from '../../../../server/api/legacy.ts'
import { createEntryIndex } from '../../../../server/entry/index.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import type { CallContext } from '../../../../src/rpc/call-context.ts'
import type { ListResponse$Input } from '../../../../src/rpc/gen/countersign/legacy/v1/ListResponse.ts'
import type { ServerCall } from '../../../../src/rpc/server-call.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { batchOf, entryOf, idOf, server, trustDomain } from '../entry/samples.ts'
import { tempStore } from '../store/fixture.ts'

const clock = new FakeClock()

function caller(name: string): Entry {
  return entryOf({
    ...{ id: `legacy.${name}`, spiffeId: idOf(`/legacy/${name}`), parentId: server },
    ...{ owner: 'shops', purpose: 'old tills', createdAt: clock.now() },
    expiresAt: new Date(clock.now().getTime() + 60_000),
    selectors: ['net:10.7.0.0/16', 'resource:https://orders', 'scope:read'].map((value) => ({
      ...{ type: 'legacy', value },
    })),
  })
}

test('each caller is listed, however many there are, in pages where they are asked for', async () => {
  const store = await tempStore()
  const index = createEntryIndex({ trustDomain, clock })
  const names = Array.from({ length: 1001 }, (_, at) => `till-${String(at).padStart(4, '0')}`)
  const other = entryOf({ id: 'legacy.other', parentId: server })
  index.apply(batchOf({ entries: [...names.map(caller), other] }))
  const handlers = legacyHandlers({
    ...({} as Parameters<typeof legacyHandlers>[0]),
    ...{ clock, index, store, trustDomain, cursorKey: Buffer.alloc(32) },
  })
  const list = (request: object) =>
    new Promise<ListResponse$Input>((resolve, reject) => {
      const call = {
        onRequest: (serve: (request: unknown) => void) => serve(request),
        respond: resolve,
        fail: reject,
      } as unknown as ServerCall<Caller>
      handlers['List']?.serve(call, {} as CallContext<Caller>, (message) => message as Buffer)
    })
  const namesIn = ({ callers = [] }: ListResponse$Input) => callers?.map(({ name }) => name) ?? []
  const unpaged = await list({ page_size: 0, page_token: '' })
  expect([namesIn(unpaged), unpaged.next_page_token]).toEqual([names, ''])
  const found: (string | undefined)[] = []
  for (let page_token: string | undefined = ''; page_token !== undefined; ) {
    const answer: ListResponse$Input = await list({ page_size: 600, page_token })
    expect(namesIn(answer).length).toBeLessThanOrEqual(600)
    found.push(...namesIn(answer))
    page_token = answer.next_page_token || undefined
  }
  expect(found).toEqual(names)
})
