import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient, type RpcClient } from '../../src/rpc/client.ts'
import { dialTls, dialUnix, type RpcChannel } from '../../src/rpc/dial.ts'
import type { ServiceDefinitions } from '../../src/rpc/services.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { type FuzzStand, openFuzzStand } from '../fuzz/stand.ts'
import {
  authority,
  flag,
  frame,
  headerBlock,
  literal,
  prefaceBytes,
  settings,
} from '../support/http2-frames.ts'
import { LONG, scale } from './scale.ts'

let stand: FuzzStand
const channels: RpcChannel[] = []
let workload: RpcClient<ServiceDefinitions['SpiffeWorkloadAPI']>
let anybody: RpcClient<ServiceDefinitions['spire.api.server.bundle.v1.Bundle']>

beforeAll(async () => {
  stand = await openFuzzStand()
  const tls = dialTls({
    address: stand.at.address,
    log: silentLog,
    verifyPeer: () => SpiffeId.parse('spiffe://example.org/spire/server'),
  })
  channels.push(dialUnix(stand.at.socket), tls)
  workload = createClient('SpiffeWorkloadAPI', channels[0] as RpcChannel)
  anybody = createClient('spire.api.server.bundle.v1.Bundle', tls)
})

afterAll(async () => {
  for (const channel of channels) channel.close()
  await stand[Symbol.asyncDispose]()
})

/** An honest workload's call of the agent, and an honest stranger's of the server. */
async function honestCalls(): Promise<void> {
  const metadata = { 'workload.spiffe.io': 'true' }
  await workload.unary('FetchJWTSVID', { audience: ['me'], spiffe_id: '' }, { metadata })
  await anybody.unary('GetBundle', {})
}

type Door = () => Socket
const agentSocket: Door = () => connect(stand.at.socket)
const serverPort: Door = () => {
  const [host = '', port = ''] = stand.at.address.split(':')
  return connect(Number(port), host)
}

const headers = headerBlock('/SpiffeWorkloadAPI/FetchJWTSVID', authority('localhost'))
const opening = Buffer.concat([prefaceBytes, settings()])
const large = literal('x-large', 'a'.repeat(120))
const zero = Buffer.alloc(4)

/** What is sent at once, and then again and again on the same connection, each so many milliseconds. */
interface Attack {
  readonly door: Door
  readonly connections: number
  readonly first: Buffer
  readonly meanwhile?: { readonly bytes: Buffer; readonly everyMs: number }
  /** After that a connection is given up for a new one. */
  readonly anewAfterMs?: number
}

const streamIds = Array.from({ length: 500 }, (_, at) => 1 + 2 * at)
const attacks: Readonly<Record<string, Attack>> = {
  'a message of 64 MB': {
    door: agentSocket,
    connections: 4,
    first: Buffer.concat([
      opening,
      frame(1, flag.endHeaders, 1, headers),
      frame(0, 0, 1, Buffer.from([0, 4, 0, 0, 0])),
      ...Array.from({ length: 512 }, () => frame(0, 0, 1, Buffer.alloc(16_384))),
    ]),
  },
  'a header block of 5 MB in CONTINUATION frames': {
    door: agentSocket,
    connections: 4,
    first: Buffer.concat([
      opening,
      frame(1, 0, 1, headers),
      ...Array.from({ length: 320 }, () => frame(9, 0, 1, Buffer.concat(Array(125).fill(large)))),
    ]),
  },
  'empty CONTINUATION frames without end': {
    door: agentSocket,
    connections: 4,
    first: Buffer.concat([opening, frame(1, 0, 1, headers)]),
    meanwhile: {
      bytes: Buffer.concat(Array(200).fill(frame(9, 0, 1, Buffer.alloc(0)))),
      everyMs: 20,
    },
  },
  'calls that are reset at once': {
    door: agentSocket,
    connections: 2,
    anewAfterMs: 250,
    first: Buffer.concat([
      opening,
      ...streamIds.flatMap((id) => [frame(1, flag.endHeaders, id, headers), frame(3, 0, id, zero)]),
    ]),
  },
  'SETTINGS and PING that ask for an answer each': {
    door: agentSocket,
    connections: 4,
    first: opening,
    meanwhile: {
      bytes: Buffer.concat(
        Array(200).fill(Buffer.concat([settings(), frame(6, 0, 0, Buffer.alloc(8))])),
      ),
      everyMs: 20,
    },
  },
  'a preface that never ends': {
    door: agentSocket,
    connections: 100,
    first: prefaceBytes.subarray(0, 3),
    meanwhile: { bytes: prefaceBytes.subarray(3, 4), everyMs: 1000 },
  },
  'a call that comes one byte a second': {
    door: agentSocket,
    connections: 50,
    first: Buffer.concat([opening, frame(1, flag.endHeaders, 1, headers)]),
    meanwhile: { bytes: Buffer.of(0), everyMs: 1000 },
  },
  'TLS without a ClientHello': { door: serverPort, connections: 60, first: Buffer.alloc(0) },
  'TLS that is none': {
    door: serverPort,
    connections: 30,
    first: Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n'),
  },
  'a ClientHello that trickles': {
    door: serverPort,
    connections: 60,
    first: Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]),
    meanwhile: { bytes: Buffer.of(0), everyMs: 500 },
  },
}

/** Keeps as many connections busy as the attack has, and makes new ones for those that are closed. */
async function attack(
  { door, connections, first, meanwhile, anewAfterMs = 3_600_000 }: Attack,
  signal: AbortSignal,
): Promise<void> {
  const lane = async (): Promise<void> => {
    while (!signal.aborted) {
      const socket = door()
      socket.on('error', () => {}).resume()
      const closed = new Promise((resolve) => socket.once('close', resolve))
      socket.write(first)
      const timer =
        meanwhile && setInterval(() => void socket.write(meanwhile.bytes), meanwhile.everyMs)
      // Ends with the attack too.
      const anew = sleep(anewAfterMs, undefined, { ref: false, signal }).catch(() => {})
      await Promise.race([closed, anew])
      clearInterval(timer)
      socket.destroy()
      await sleep(20)
    }
  }
  await Promise.all(Array.from({ length: connections }, lane))
}

describe('T12 while strangers attack, honest callers are served', () => {
  test.each(Object.entries(attacks))('T12 %s', { timeout: LONG }, async (_name, given) => {
    for (let call = 0; call < 20; call += 1) await honestCalls()
    const over = new AbortController()
    const attacked = attack(given, over.signal)
    const waits: number[] = []
    const endMs = performance.now() + scale(1000, 10_000)
    while (performance.now() < endMs || waits.length < 20) {
      const startMs = stand.loopMs()
      await honestCalls()
      waits.push(stand.loopMs() - startMs)
    }
    over.abort()
    await attacked
    const overMs = performance.now()
    await honestCalls()
    expect(performance.now() - overMs).toBeLessThan(2000)
    waits.sort((a, b) => a - b)
    expect(waits[Math.ceil(waits.length * 0.99) - 1]).toBeLessThan(250)
    stand.check()
  })
})
