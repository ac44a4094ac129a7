import {
  Client,
  credentials,
  ServerCredentials,
  ServerInterceptingCall,
  type ServerInterceptor,
  status,
} from '@grpc/grpc-js'
import { requireAccessToken } from 'countersign/grpc'
import type { Verifier } from 'countersign/resource-server'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { type TestIssuer, testIssuer } from './access-fixtures.ts'
import { type KnownFacts, knownFacts, revocable } from './known-facts.ts'
import {
  type OpenCall,
  type OpenMethod,
  openCall,
  openMethods,
  openServer,
  type Serving,
} from './streams.ts'

const audience = 'https://orders.example.org'
const wait = '/test.Orders/Wait'
const watch = '/test.Orders/Watch'
const follow = '/test.Orders/Follow'
const revoked = [status.UNAUTHENTICATED, 'token-revoked']
let clock: FakeClock
let issuer: TestIssuer
let known: KnownFacts

beforeEach(async () => {
  clock = new FakeClock()
  issuer = await testIssuer(clock)
  known = knownFacts()
})

/** `open` resolves when the service has the call. */
async function start(by: (verifier: Verifier) => Verifier = (own) => own) {
  const verifier = by(issuer.verifier({ audience, revocations: known }))
  const methods = Object.fromEntries(
    Object.keys(openMethods).map((path) => [path, ['orders:read']]),
  )
  const wire: unknown[] = []
  const { server, calls } = openServer(recording(wire), requireAccessToken({ verifier, methods }))
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  const channel = new Client(`127.0.0.1:${port}`, credentials.createInsecure())
  onTestFinished(() => {
    channel.close()
    server.forceShutdown()
  })
  const begin = async (path: OpenMethod, claims = revocable): Promise<OpenCall> => {
    const who = { sub: 'spiffe://here.test/client', client_id: 'c' }
    const token = await issuer.token({ aud: audience, scope: 'orders:read', ...who, ...claims })
    return openCall(channel, path, token)
  }
  return {
    begin,
    async open(path: OpenMethod, claims = revocable): Promise<[OpenCall, Serving]> {
      const before = calls.length
      const call = await begin(path, claims)
      await eventually(() => calls.length > before)
      return [call, calls.at(-1) as Serving]
    },
    wire,
  }
}

/** What goes out between the guard and the wire, and that a call is over. */
function recording(wire: unknown[]): ServerInterceptor {
  return (_, call) =>
    new ServerInterceptingCall(call, {
      start: (next) => next({ onCancel: () => void wire.push('over') }),
      sendMessage(message, next) {
        wire.push(String(message))
        next(message)
      },
      sendStatus(ended, next) {
        wire.push(ended.code)
        next(ended)
      },
    })
}

/** A verifier that, once held, answers when it is let go on. */
function holding() {
  let goOn = (): void => {}
  let held: Promise<void> | undefined
  const state = {
    asked: 0,
    hold: () => {
      held = new Promise((resolve) => {
        goOn = resolve
      })
    },
    goOn: () => goOn(),
    by: ({ verify }: Verifier): Verifier => ({
      async verify(...shown) {
        state.asked += 1
        await held
        return verify(...shown)
      },
    }),
  }
  return state
}

describe.each(Object.keys(openMethods) as OpenMethod[])(
  'T26 %s, of which nothing is heard',
  (path) => {
    test('ends at once when its token is revoked, and the one beside it goes on', async () => {
      const { open } = await start()
      const [[call, serving], [other, kept]] = [
        await open(path),
        await open(path, { jti: 'other' }),
      ]
      known.revoke('token')
      expect(await call.next()).toEqual(revoked)
      expect(serving.told).toBe(1)
      expect([other.heard, kept.told]).toEqual([[], 0])
    })

    test('ends while nobody knows whether its token was revoked', async () => {
      const { open } = await start()
      const [call, serving] = await open(path)
      known.isFresh = false
      await clock.advance(100)
      expect(await call.next()).toEqual([status.UNAVAILABLE, 'revocation-unknown'])
      expect(serving.told).toBe(1)
    })

    test('ends with its token', async () => {
      const { open } = await start()
      const [call] = await open(path)
      await clock.advance(64_900)
      expect(call.heard).toEqual([])
      await clock.advance(200)
      expect(await call.next()).toEqual([status.UNAUTHENTICATED, 'token-expired'])
    })

    test('is let go of when its client leaves', async () => {
      const { open } = await start()
      const [call, serving] = await open(path)
      call.leave()
      await eventually(() => serving.told === 1)
      await clock.advance(100)
      expect([known.listening, clock.sleeping]).toEqual([0, 0])
    })
  },
)

describe('T26 each message of a stream counts for itself, where nobody watches the call:', () => {
  // As of a verifier that somebody has written around ours.
  const unwatched = ({ verify }: Verifier): Verifier => ({
    verify: async (...shown) => ({ ...(await verify(...shown)) }),
  })

  test.for([
    ['once its token was revoked', () => known.revoke('token'), revoked],
    [
      'while nobody knows whether it was',
      () => {
        known.isFresh = false
      },
      [status.UNAVAILABLE, 'revocation-unknown'],
    ],
  ] as const)('%s the service sends none', async ([, happens, ended]) => {
    const { open } = await start(unwatched)
    const [call, serving] = await open(watch)
    serving.write(Buffer.from('1'))
    expect(await call.next()).toBe('1')
    happens()
    await clock.advance(1000)
    expect(call.heard).toEqual([])
    serving.write(Buffer.from('2'))
    expect(await call.next()).toEqual(ended)
    expect([serving.destroyed, serving.told]).toEqual([true, 1])
  })

  test('once its token was revoked the service reads none', async () => {
    const { open } = await start(unwatched)
    const [call, serving] = await open(follow)
    call.write('1')
    expect(await call.next()).toBe('1')
    known.revoke('spiffe-id')
    call.write('2')
    expect(await call.next()).toEqual(revoked)
    expect(serving.received).toEqual(['1'])
  })
})

test('T26 the service hears of the end though its client reads nothing, which gets what was sent before and then the end', async () => {
  const { open } = await start()
  const [call, serving] = await open(watch)
  call.pause()
  // More than a connection holds for a client that does not read.
  for (const text of ['1', '2', '3']) serving.write(Buffer.alloc(1 << 20, text))
  await open(watch, { jti: 'other' })
  known.revoke('token')
  expect([serving.told, serving.destroyed]).toEqual([1, true])
  call.resume()
  expect(await call.next()).toMatch(/^1+$/)
  // How much more of it had left is the connection's to say.
  let last = await call.next()
  while (typeof last === 'string') last = await call.next()
  expect(last).toEqual(revoked)
})

test('T26 a call ends once, and nothing of it goes out afterwards', async () => {
  const held = holding()
  const { open, wire } = await start(held.by)
  const [[call, serving], [asked, unary]] = [await open(follow), await open(wait)]
  serving.write(Buffer.from('1'))
  expect(await call.next()).toBe('1')
  const before = held.asked
  held.hold()
  serving.write(Buffer.from('2'))
  call.write('3')
  await eventually(() => held.asked === before + 2)
  known.revoke('token')
  held.goOn()
  unary.answer('late')
  expect([await call.next(), await asked.next()]).toEqual([revoked, revoked])
  expect(serving.received).toEqual([])
  await eventually(() => wire.filter((what) => what === 'over').length === 2)
  expect(wire).toEqual(['1', revoked[0], revoked[0], 'over', 'over'])
})

test('T26 a message that is found good only after its call has ended does not go out', async () => {
  const held = holding()
  const { open, wire } = await start(held.by)
  const [call, serving] = await open(watch)
  held.hold()
  serving.write(Buffer.from('1'))
  known.revoke('token')
  known.forget()
  held.goOn()
  expect(await call.next()).toEqual(revoked)
  expect(wire).toEqual([revoked[0], 'over'])
})

test('T26 a call whose client left before it was let in is not watched', async () => {
  const held = holding()
  held.hold()
  const { begin, wire } = await start(held.by)
  const call = await begin(watch)
  await eventually(() => held.asked === 1)
  call.leave()
  await eventually(() => wire.includes('over'))
  held.goOn()
  await clock.advance(100)
  expect(known.listening).toBe(0)
})
