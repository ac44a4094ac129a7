import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { ownProtocol, secureContextOf, type TlsIdentity } from '../../src/mtls/context.ts'
import { offered } from '../../src/mtls/presented.ts'
import type { FuzzStand } from './stand.ts'

/** How a caller leaves: how long after its last byte, and whether it says so or resets the connection. */
export interface Leaving {
  readonly afterMs: number
  readonly isReset: boolean
}

/** What is said, in pieces between which the other side has a turn. */
export type Talk = (pieces: readonly Uint8Array[], leaving: Leaving) => Promise<void>

/** The agent's socket, the server's for operators, and its port for one without and one with an identity. */
export function doorsOf({ at }: FuzzStand): readonly [agent: Talk, ...others: Talk[]] {
  const identity = {
    chain: at.chain.map((der) => Buffer.from(der, 'base64')),
    privateKey: Buffer.from(at.privateKey, 'base64'),
  }
  return [
    (...words) => talk(connectTcp(at.socket), ...words),
    (...words) => talk(connectTcp(at.adminSocket), ...words),
    (...words) => talkTls(at.address, undefined, ...words),
    (...words) => talkTls(at.address, identity, ...words),
  ]
}

/** Where there is nothing to say, it leaves in the middle of the handshake. */
async function talkTls(
  address: string,
  identity: TlsIdentity | undefined,
  pieces: readonly Uint8Array[],
  leaving: Leaving,
): Promise<void> {
  const { hostname, port } = new URL(`tcp://${address}`)
  const raw = connectTcp(Number(port), hostname)
  raw.on('error', () => {})
  const socket = connectTls({
    socket: raw,
    secureContext: secureContextOf(identity, ownProtocol),
    ...offered(ownProtocol),
    rejectUnauthorized: false,
  })
  await talk(socket, pieces, leaving, raw)
}

/** Being hung up on at any moment is an answer. */
async function talk(
  socket: Socket,
  pieces: readonly Uint8Array[],
  { afterMs, isReset }: Leaving,
  raw = socket,
): Promise<void> {
  const isOver = new Promise<void>((resolve) => raw.once('close', () => resolve()))
  socket.on('error', () => {})
  socket.resume()
  for (const piece of pieces) {
    socket.write(piece)
    await new Promise((resolve) => setImmediate(resolve))
  }
  const leave = setTimeout(() => {
    if (isReset && raw.remoteFamily !== undefined) raw.resetAndDestroy()
    socket.destroy()
    raw.destroy()
  }, afterMs)
  await isOver
  clearTimeout(leave)
}
