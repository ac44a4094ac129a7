import { expect, test } from 'vitest'
import { createIssuedTokens, type GoodFilter } from '../../../../server/oauth/issued-tokens.ts'
import { type IssuedToken, issuedTokens } from '../../../../server/store/issued-tokens.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { idOf } from '../entry/samples.ts'
import { tempStore } from '../store/fixture.ts'

const clock = new FakeClock()
const web = idOf('/web')

function aToken(jti: string, secondsAgo = 0): IssuedToken {
  const issuedAt = new Date(clock.now().getTime() - secondsAgo * 1000)
  return {
    ...{ jti, txn: `txn-${jti}`, parent: undefined, entryId: 'e', owner: '', subject: web },
    ...{ clientId: web, audience: 'https://orders', scopes: ['read'], auth: 'spiffe_jwt' },
    ...{ address: '10.0.0.1:4000', actors: [], issuedAt },
    expiresAt: new Date(issuedAt.getTime() + 300_000),
  }
}

async function start() {
  const store = await tempStore()
  const list = async (): Promise<string> => {
    let ids = ''
    for await (const page of issuedTokens(store.db, {}, { now: clock.now() })) {
      for (const { jti } of page) ids += jti
    }
    return ids
  }
  return { store, list, open: () => createIssuedTokens({ store, clock, log: silentLog }) }
}

test('of what a run before has issued only that is added which it had no time to write', async () => {
  const { list, open } = await start()
  const before = open()
  const tokens = [aToken('a', 20), aToken('b', 7), aToken('c', 1), aToken('d', 1), aToken('e', 0)]
  for (const token of tokens.slice(0, 3)) before.note(token)
  await before.run(AbortSignal.abort())
  await open().resume(tokens.slice(1))
  expect(await list()).toBe('abcde')
})

test('what is listed stays so though the wall clock is a day ahead for a while', async () => {
  const { list, open } = await start()
  const issued = open()
  issued.note(aToken('a'))
  await issued.run(AbortSignal.abort())
  clock.jump(86_400_000)
  issued.note(aToken('b'))
  await issued.run(AbortSignal.abort())
  clock.jump(-86_400_000)
  expect(await list()).toBe('ab')
})

test('what the store did not take is written with what came since, each once', async () => {
  const { store, list } = await start()
  let answer: 'lost' | 'refused' | 'kept' = 'lost'
  const issued = createIssuedTokens({
    ...{ clock, log: silentLog },
    store: {
      db: store.db,
      async write(job) {
        if (answer === 'refused') throw new Error('full')
        const value = await store.write(job)
        if (answer === 'lost') throw new Error('the connection is gone')
        return value
      },
    },
  })
  const stopping = new AbortController()
  const running = issued.run(stopping.signal)
  for (const jti of ['a', 'b']) issued.note(aToken(jti))
  await clock.advance(250)
  await expect.poll(list).toBe('ab')
  answer = 'refused'
  issued.note(aToken('c'))
  await clock.advance(250)
  answer = 'kept'
  issued.note(aToken('d'))
  stopping.abort()
  await running
  expect(await list()).toBe('abcd')
})

test('while the store has taken nothing for a second none is issued, until it takes what waits', async () => {
  const { store } = await start()
  let isFull = false
  const issued = createIssuedTokens({
    ...{ clock, log: silentLog },
    store: {
      db: store.db,
      write: (job) => (isFull ? Promise.reject(new Error('full')) : store.write(job)),
    },
  })
  const stopping = new AbortController()
  const running = issued.run(stopping.signal)
  const ready = () => {
    try {
      issued.ready()
      return true
    } catch (error) {
      expect(error).toMatchObject({ code: 'unavailable', reason: 'issued-unwritable' })
      return false
    }
  }
  isFull = true
  issued.note(aToken('a'))
  await clock.advance(1000)
  expect(ready()).toBe(true)
  await clock.advance(500)
  expect(ready()).toBe(false)
  isFull = false
  await clock.advance(250)
  await expect.poll(ready).toBe(true)
  stopping.abort()
  await running
})

test('T12 no more is issued while ten thousand wait to be written', async () => {
  const { open } = await start()
  const issued = open()
  for (let n = 0; n < 9999; n += 1) issued.note(aToken(`${n}`))
  issued.ready()
  issued.note(aToken('last'))
  expect(() => issued.ready()).toThrow(expect.objectContaining({ reason: 'issued-unwritable' }))
  await issued.run(AbortSignal.abort())
  issued.ready()
})

test('what waits to be written is listed as what is written: of an ID what it holds and what speaks for it, unless expired', async () => {
  const { open } = await start()
  const issued = open()
  const service = idOf('/service')
  issued.note(aToken('own'))
  issued.note({ ...aToken('hop'), parent: 'own', clientId: service, actors: [service] })
  issued.note({ ...aToken('other'), subject: service, clientId: service })
  issued.note(aToken('over', 300))
  const listed = async (filter: GoodFilter): Promise<readonly string[]> => {
    const ids: string[] = []
    for await (const page of issued.good(filter)) ids.push(...page.map(({ jti }) => jti))
    return ids.sort()
  }
  const both = async () => [
    await listed({}),
    await listed({ spiffeId: web }),
    await listed({ spiffeId: service }),
    await listed({ exchanged: true }),
  ]
  const waiting = await both()
  expect(waiting).toEqual([['hop', 'other', 'own'], ['hop', 'own'], ['hop', 'other'], ['hop']])
  await issued.run(AbortSignal.abort())
  expect(await both()).toEqual(waiting)
})
