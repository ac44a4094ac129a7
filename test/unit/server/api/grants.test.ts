import { expect, test } from 'vitest'
import type { Caller } from '../../../../server/access/caller.ts'
import { grantsHandlers } from '../../../../server/api/grants.ts'
import type { CallContext } from '../../../../src/rpc/call-context.ts'
import type { ListResponse$Input } from '../../../../src/rpc/gen/countersign/oauth/v1/ListResponse.ts'
import type { ServerCall } from '../../../../src/rpc/server-call.ts'
import { permitAll, startRecheck } from '../oauth/recheck-world.ts'

test('a list of grants says whether there are more than it has room for', async () => {
  const { deps, add, token, clock } = await startRecheck(permitAll)
  const handlers = grantsHandlers({
    ...{ store: deps.store, clock, cursorKey: Buffer.alloc(32) },
    revocations: { judge: () => undefined } as never,
  })
  const list = () =>
    new Promise<ListResponse$Input>((resolve, reject) => {
      const call = {
        onRequest: (serve: (request: unknown) => void) => serve({ filter: null }),
        respond: resolve,
        fail: reject,
      } as unknown as ServerCall<Caller>
      handlers['List']?.serve(call, {} as CallContext<Caller>, (message) => message as Buffer)
    })
  const kinds = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, at) =>
      token(`${from + at}`, { audience: `https://${from + at}` }),
    )
  await add(...kinds(0, 1000))
  const all = await list()
  expect([all.grants?.length, all.more]).toEqual([1000, false])
  await add(...kinds(1000, 1001))
  const cut = await list()
  expect([cut.grants?.length, cut.more]).toEqual([1000, true])
})
