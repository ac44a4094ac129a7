import { once } from 'node:events'
import { type ClientHttp2Session, connect as connectHttp2, createServer } from 'node:http2'
import { connect, createServer as createNetServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { HeaderMender } from '../../../../agent/workload-endpoint/authority.ts'
import {
  authorityValues,
  mendAuthority,
} from '../../../../agent/workload-endpoint/hpack-strings.ts'
import {
  authority,
  flag,
  frame,
  headerBlock,
  jwtCall,
  jwtData,
  jwtMethod,
  literal,
  nettySettings,
  prefaceBytes,
  settings,
} from '../../../support/http2-frames.ts'
import { ownUid, type Rig, startEndpoint, temporaryFolder, until } from './fixture.ts'
import { entryOf } from './identities.ts'
import { rawClient } from './raw-http2.ts'

async function start(): Promise<Rig & { codes: string[] }> {
  const codes: string[] = []
  const rig = await startEndpoint({ observe: (_method, code) => codes.push(code) })
  rig.updates.set([entryOf('/java', [`unix:uid:${ownUid}`])])
  return { ...rig, codes }
}

const indexed62 = Buffer.from([0x80 | 62])

describe('a client that names the socket’s path as its authority is served', () => {
  const path = '/run/countersign/api.sock'

  test('by literal, by index, by literal again, by one that must not be indexed', async () => {
    const { path: socketPath, codes, endpoint } = await start()
    const { socket, frames } = rawClient(socketPath)
    const blocks = [
      headerBlock(jwtMethod, authority(path)),
      headerBlock(jwtMethod, indexed62),
      headerBlock(jwtMethod, authority('/another/path with a blank#and more')),
      headerBlock(jwtMethod, authority(path, 0x00)),
      headerBlock(jwtMethod, authority(path, 0x10)),
      headerBlock(jwtMethod, literal(':authority', path)),
      headerBlock(jwtMethod, indexed62),
    ]
    socket.write(Buffer.concat([prefaceBytes, nettySettings]))
    // Netty waits for the server's settings before it calls.
    await until(() => frames.length > 0)
    blocks.forEach((block, index) => {
      socket.write(jwtCall(2 * index + 1, block))
    })
    await until(() => codes.length === blocks.length)
    expect(codes).toEqual(blocks.map(() => 'ok'))
    expect(frames.filter(({ type }) => type === 3 || type === 7)).toEqual([])
    expect(endpoint.stats().mendedConnections).toBe(1)
  })

  test('with padding, priority and continuation frames, byte by byte', async () => {
    const { path: socketPath, codes } = await start()
    const { socket } = rawClient(socketPath)
    const block = headerBlock(jwtMethod, authority(path))
    const inPriority = Buffer.concat([Buffer.from([0, 0, 0, 0, 15]), block])
    const inPadding = Buffer.concat([Buffer.from([3]), inPriority, Buffer.alloc(3)])
    const cut = 20
    const bytes = Buffer.concat([
      prefaceBytes,
      nettySettings,
      frame(1, flag.endHeaders | flag.padded | flag.priority, 1, inPadding),
      jwtData(1),
      frame(1, 0, 3, block.subarray(0, cut)),
      frame(9, 0, 3, block.subarray(cut, cut + 5)),
      frame(9, flag.endHeaders, 3, block.subarray(cut + 5)),
      jwtData(3),
    ])
    for (const byte of bytes) {
      socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until(() => codes.length === 2)
    expect(codes).toEqual(['ok', 'ok'])
  })

  test('also where everything comes at once', async () => {
    const { path: socketPath, codes } = await start()
    const { socket } = rawClient(socketPath)
    const first = jwtCall(1, headerBlock(jwtMethod, authority(path)))
    socket.write(Buffer.concat([prefaceBytes, nettySettings, first]))
    await until(() => codes.length === 1)
    expect(codes).toEqual(['ok'])
  })
})

describe('a client that needs no cure', () => {
  const sets: Record<string, Buffer> = {
    'of Go': settings(),
    'of Node': settings([2, 0], [4, 4_194_304]),
    'of Rust': settings([2, 0], [4, 1_048_576], [5, 16_384], [6, 16_384]),
    'of C core': settings([2, 0], [3, 0], [4, 4_194_304], [5, 4_194_304], [0xfe03, 1]),
  }
  for (const [name, own] of Object.entries(sets)) {
    test(`${name} is served on its own socket`, async () => {
      const { path, codes, endpoint } = await start()
      const { socket } = rawClient(path)
      socket.write(Buffer.concat([prefaceBytes.subarray(0, 10)]))
      await new Promise((resolve) => setImmediate(resolve))
      socket.write(Buffer.concat([prefaceBytes.subarray(10), own]))
      socket.write(jwtCall(1, headerBlock(jwtMethod, authority('localhost'))))
      await until(() => codes.length === 1)
      expect(codes).toEqual(['ok'])
      expect(endpoint.stats().mendedConnections).toBe(0)
    })
  }
})

describe('T12 a connection', () => {
  test('that speaks something else is closed at once', async () => {
    const { path } = await start()
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.concat([prefaceBytes, frame(1, 4, 1, Buffer.alloc(3))]),
      Buffer.concat([prefaceBytes, frame(4, 0, 0, Buffer.alloc(6000))]),
    ]) {
      const { socket, closed } = rawClient(path)
      socket.write(bytes)
      await until(closed)
    }
  })

  test('that says nothing is closed after its time', async () => {
    const { path, endpoint } = await startEndpoint({ limits: { prefaceTimeoutMs: 50 } })
    const silent = rawClient(path)
    const half = rawClient(path)
    half.socket.write(prefaceBytes.subarray(0, 12))
    await until(() => silent.closed() && half.closed())
    await until(() => endpoint.stats().connections === 0)
  })

  test('whose header block has no end is closed', async () => {
    const { path } = await start()
    const { socket, closed } = rawClient(path)
    socket.write(Buffer.concat([prefaceBytes, nettySettings, frame(1, 0, 1, Buffer.alloc(10))]))
    for (let round = 0; round < 10 && !closed(); round += 1) {
      socket.write(frame(9, 0, 1, Buffer.alloc(16_000)))
    }
    await until(closed)
  })

  // What breaks HTTP/2 after a call, and a caller that has hung up already: a PING of a stream, which has none.
  test.each([
    ['names no method', headerBlock('/no.such/Method', authority('localhost'))],
    ['is not gRPC', Buffer.concat([Buffer.of(0x83, 0x86), literal(':path', '/a')])],
  ])('whose call %s, and which is gone before its answer, ends nothing else', async (_, block) => {
    const { path, codes } = await start()
    const thrown: unknown[] = []
    const onThrown = (error: unknown): void => void thrown.push(error)
    process.on('uncaughtExceptionMonitor', onThrown)
    onTestFinished(() => void process.off('uncaughtExceptionMonitor', onThrown))
    const call = [frame(1, flag.endHeaders, 1, block), frame(6, 0, 1, Buffer.alloc(8))]
    for (let round = 0; round < 20; round += 1) {
      const socket = connect(path)
      await once(socket, 'connect')
      socket.write(Buffer.concat([prefaceBytes, settings(), ...call]))
      await new Promise((resolve) => setImmediate(resolve))
      socket.destroy()
      await once(socket, 'close')
    }
    const { socket } = rawClient(path)
    socket.write(Buffer.concat([prefaceBytes, settings()]))
    socket.write(jwtCall(1, headerBlock(jwtMethod, authority('localhost'))))
    await until(() => codes.length === 1)
    expect(codes).toEqual(['ok'])
    expect(thrown).toEqual([])
  })
})

describe('header blocks', () => {
  /** What Node's own HTTP/2 client sends for these headers, Huffman code and all. */
  async function blockOf(headers: Record<string, string>): Promise<Buffer> {
    const path = join(temporaryFolder(), 'n.sock')
    const got: Buffer[] = []
    const server = createNetServer((socket) => {
      socket.write(settings())
      socket.on('data', (chunk) => got.push(chunk))
      socket.on('error', () => {})
    })
    await new Promise<void>((resolve) => server.listen(path, resolve))
    const session: ClientHttp2Session = connectHttp2('http://localhost', {
      createConnection: () => connect(path) as Socket,
    })
    session.on('error', () => {})
    session.request(headers).on('error', () => {})
    const headersFrame = (): Buffer | undefined => {
      let bytes = Buffer.concat(got).subarray(prefaceBytes.length)
      while (bytes.length >= 9 && bytes.length >= 9 + bytes.readUIntBE(0, 3)) {
        const length = 9 + bytes.readUIntBE(0, 3)
        if (bytes[3] === 1) return Buffer.from(bytes.subarray(9, length))
        bytes = bytes.subarray(length)
      }
      return undefined
    }
    await until(() => headersFrame() !== undefined)
    session.destroy()
    server.close()
    return headersFrame() as Buffer
  }

  /** Sends the block to Node's HTTP/2 and returns the authority that comes out. */
  async function decoded(block: Buffer): Promise<string | undefined> {
    const path = join(temporaryFolder(), 'd.sock')
    const server = createServer()
    const authorityOf = new Promise<string | undefined>((resolve) => {
      server.on('stream', (_stream, headers) => resolve(headers[':authority']))
      server.on('session', (session) => session.on('error', () => resolve(undefined)))
    })
    await new Promise<void>((resolve) => server.listen(path, resolve))
    const { socket } = rawClient(path)
    socket.write(Buffer.concat([prefaceBytes, settings(), frame(1, 5, 1, block)]))
    const result = await authorityOf
    socket.destroy()
    server.close()
    return result
  }

  test('in Huffman code are mended in place, whatever character surrounds the slash', async () => {
    // All printable characters that an authority may hold; each one before and after a slash.
    const characters = [
      ...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&()*+,;=:[]%',
    ]
    const original = characters.map((character) => `${character}aaa/${character}`).join('')
    const block = await blockOf({ ':authority': original, ':path': '/' })
    const [value] = authorityValues(block)
    expect(value?.huffman).toBe(true)
    if (value === undefined) return
    const length = block.length
    expect(mendAuthority(block, value)).toBe(true)
    expect(block.length).toBe(length)
    expect(await decoded(block)).toBe(original.replaceAll('/', '-'))
    expect(mendAuthority(block, value)).toBe(false)
  })

  test('of any bytes neither throw nor change their length', () => {
    let seed = 1
    const random = (): number => {
      seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
      return seed
    }
    for (let round = 0; round < 2000; round += 1) {
      const block = Buffer.from(Array.from({ length: random() % 64 }, () => random() >> 8))
      for (const value of authorityValues(block)) mendAuthority(block, value)
    }
  })

  test('pass with all other frames, however the bytes are cut', () => {
    const bytes = Buffer.concat([
      prefaceBytes,
      nettySettings,
      frame(8, 0, 0, Buffer.alloc(4, 1)),
      jwtCall(1, headerBlock(jwtMethod, authority('/a/b c'))),
      frame(6, 0, 0, Buffer.alloc(8, 2)),
    ])
    const expected = Buffer.from(bytes.toString('latin1').replace('/a/b c', '-a-b-c'), 'latin1')
    for (const size of [1, 2, 7, 9, 24, 100, 10_000]) {
      const mender = new HeaderMender()
      const out: Buffer[] = []
      for (let at = 0; at < bytes.length; at += size) {
        out.push(...mender.push(Buffer.from(bytes.subarray(at, at + size))))
      }
      expect(Buffer.concat(out).equals(expected)).toBe(true)
    }
  })
})
