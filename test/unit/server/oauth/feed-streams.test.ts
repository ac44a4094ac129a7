import { once } from 'node:events'
import { createServer, get, IncomingMessage, ServerResponse } from 'node:http'
import { type AddressInfo, Socket } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { createFeedStreams, type StreamReader } from '../../../../server/oauth/feed-streams.ts'
import type {
  FeedEvent,
  FeedPublisher,
  FeedReader,
} from '../../../../server/revocation/publisher.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { eventually } from '../../../../src/testing/eventually.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { idOf } from '../entry/samples.ts'

const orders = idOf('/orders')

/** Streams over real sockets, of a publisher that says what the test tells it to. */
async function start(opening: readonly FeedEvent[] = [{ id: 'log.0', data: 'opening' }]) {
  const clock = new FakeClock()
  const readers = new Set<FeedReader>()
  const publisher: FeedPublisher = {
    get readers() {
      return readers.size
    },
    subscribe(reader) {
      readers.add(reader)
      async function* events() {
        yield* opening
      }
      return { opening: events(), end: () => void readers.delete(reader) }
    },
    run: async () => {},
  }
  const limits = { maxReaders: 3, maxReadersOfOne: 2 }
  const streams = createFeedStreams({ publisher, clock, log: silentLog, ...limits })
  let refusal: 'at once' | 'later' | undefined
  const reader: StreamReader = {
    ...{ nonce: 'n', lastEventId: undefined, spiffeId: orders },
    expiresAt: new Date(clock.now().getTime() + 60_000),
    stillGood() {
      if (refusal === 'later') return Promise.reject(new Error('its bundle is another'))
      if (refusal === 'at once') throw new Error('revoked')
      return undefined
    },
    opened: () => {},
    withinMs: 250,
  }
  const server = createServer((request, response) => {
    const spiffeId = idOf(request.url ?? '')
    void streams.serve(response, { ...reader, spiffeId })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return {
    clock,
    readers,
    streams,
    refuse(how: 'at once' | 'later') {
      refusal = how
    },
    say(data: string): void {
      for (const { onEvent } of readers) onEvent({ id: 'log.1', data })
    },
    /** A reader that has the opening. */
    async open(path = '/orders'): Promise<{ response: IncomingMessage; text: () => string }> {
      const request = get({ host: '127.0.0.1', port, path, agent: false })
      request.on('error', () => {})
      const [response] = (await once(request, 'response')) as [IncomingMessage]
      let text = ''
      response.on('error', () => {})
      response.on('data', (chunk) => {
        text += String(chunk)
      })
      await eventually(() => text.includes('opening'))
      return { response, text: () => text }
    },
  }
}

test('a reader gets its opening first, then what was said meanwhile and later', async () => {
  const { open, say } = await start()
  const { response, text } = await open()
  say('later')
  await eventually(() => text().includes('later'))
  expect(response.headers).toMatchObject({
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
  })
  expect(text()).toBe('id: log.0\ndata: opening\n\nid: log.1\ndata: later\n\n')
})

test('T12 a reader that does not read is cut when a megabyte waits for it, and the others go on', async () => {
  const { open, say, readers } = await start()
  const [slow, other] = [await open(), await open()]
  slow.response.pause()
  slow.response.socket.pause()
  const much = 'x'.repeat(60_000)
  for (let said = 0; readers.size === 2 && said < 500; said += 1) {
    say(much)
    await new Promise(setImmediate)
  }
  expect(readers.size).toBe(1)
  say('after')
  await eventually(() => other.text().includes('after'))
})

test('T12 a reader that is behind for five seconds is cut', async () => {
  /** Says as much as is asked for to a reader that does not read, or until it is cut; how much that was. */
  const stuff = async (chunks: number) => {
    const world = await start()
    const { response } = await world.open()
    response.pause()
    response.socket.pause()
    let said = 0
    for (; said < chunks && world.readers.size > 0; said += 1) {
      world.say('x'.repeat(60_000))
      await new Promise(setImmediate)
    }
    return { ...world, said }
  }
  // How much the sockets take, and a megabyte more.
  const { said } = await stuff(1000)
  const { readers, clock, say } = await stuff(said - 8)
  await clock.advance(4900)
  say('late')
  expect(readers.size).toBe(1)
  await clock.advance(101)
  say('too late')
  await eventually(() => readers.size === 0)
})

test('T26 a reader that may read no longer is cut within a second, and so is one whose SVID ends', async () => {
  const { open, say, readers, clock } = await start()
  const first = await open()
  await clock.advance(60_000)
  say('past its end')
  await eventually(() => readers.size === 0)
  expect(first.text()).not.toContain('past its end')
  for (const how of ['at once', 'later'] as const) {
    const world = await start()
    await world.open()
    world.refuse(how)
    await world.clock.advance(1000)
    world.say('revoked')
    await eventually(() => world.readers.size === 0)
  }
})

test('T12 there are as many readers as there may be, and as many of one ID; one that leaves makes room', async () => {
  const { open, streams, readers } = await start()
  const first = await open()
  await open()
  expect(() => streams.checkRoom(orders)).toThrow(
    expect.objectContaining({ code: 'exhausted', reason: 'feed-readers' }),
  )
  expect(() => streams.checkRoom(idOf('/other'))).not.toThrow()
  await open('/other')
  expect(() => streams.checkRoom(idOf('/third'))).toThrow()
  first.response.destroy()
  await eventually(() => readers.size === 2)
  expect(() => streams.checkRoom(orders)).not.toThrow()
})

test('a stream ends after ten minutes at the latest', async () => {
  const { open, say, readers, clock } = await start()
  const { response } = await open()
  await clock.advance(600_000)
  let error: unknown
  response.on('error', (cause) => {
    error = cause
  })
  say('x')
  await once(response, 'end')
  await eventually(() => readers.size === 0)
  // It ends as streams end: the reader comes back where it stood.
  expect(error).toBeUndefined()
})

test('T12 a reader that leaves in the midst of its opening leaves nothing behind, and harms nobody', async () => {
  const page = { id: 'log.0', data: `opening ${'x'.repeat(60_000)}` }
  const world = await start(Array.from({ length: 200 }, () => page))
  for (let at = 0; at < 3; at += 1) {
    const { response } = await world.open()
    response.pause()
    world.say('meanwhile')
    response.destroy()
    world.say('meanwhile')
    await eventually(() => world.readers.size === 0)
    world.say('later')
  }
  const { text } = await world.open()
  await eventually(() => text().length > 12_000_000)
  world.say('at last')
  await eventually(() => text().includes('at last'))
})

test('a reader that has left before it is served takes no place', async () => {
  const { streams, readers } = await start()
  const response = new ServerResponse(new IncomingMessage(new Socket()))
  response.destroy()
  await once(response, 'close')
  const reader = { nonce: 'n', lastEventId: undefined, withinMs: 250, spiffeId: orders }
  const expiresAt = new Date(4e12)
  await streams.serve(response, { ...reader, expiresAt, stillGood: () => undefined, opened() {} })
  expect(readers.size).toBe(0)
})
