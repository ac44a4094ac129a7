import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
} from 'node:http2'
import { connect as connectUnix } from 'node:net'
import { connect as connectTlsSocket } from 'node:tls'

/*
 * gRPC by hand over node:http2, so that the client takes as little as it can of the two cores that it
 * shares with the server, and the same for ours and for the bare program.
 */

/** A client certificate as PEM. */
export interface TlsClient {
  readonly cert: string
  readonly key: string
}

export function h2Unix(path: string): Promise<ClientHttp2Session> {
  return open(connect('http://localhost', { createConnection: () => connectUnix(path) }))
}

/** Checks nothing of the server: what is measured is the server. */
export function h2Tls(address: string, client: TlsClient): Promise<ClientHttp2Session> {
  const [host, port] = address.split(':')
  return open(
    connect(`https://${address}`, {
      createConnection: () =>
        connectTlsSocket({
          host,
          port: Number(port),
          ...client,
          ALPNProtocols: ['h2'],
          rejectUnauthorized: false,
        }),
      settings: { initialWindowSize: 16 << 20 },
    }),
  )
}

function open(session: ClientHttp2Session): Promise<ClientHttp2Session> {
  return new Promise((resolve, reject) => {
    session.once('error', reject)
    session.once('connect', () => {
      session.off('error', reject)
      session.on('error', () => {})
      resolve(session)
    })
  })
}

/** A length-prefixed gRPC message. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(message.length + 5)
  framed[0] = 0
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, 5)
  return framed
}

const baseHeaders = {
  ':method': 'POST',
  te: 'trailers',
  'content-type': 'application/grpc',
  'workload.spiffe.io': 'true',
}

function begin(session: ClientHttp2Session, path: string, framed: Buffer): ClientHttp2Stream {
  const stream = session.request({ ...baseHeaders, ':path': path }, { endStream: false })
  stream.end(framed)
  return stream
}

/** One unary call: the whole response message. Throws `<grpc-status> <grpc-message>`. */
export function unaryCall(
  session: ClientHttp2Session,
  path: string,
  framed: Buffer,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = begin(session, path, framed)
    const parts: Buffer[] = []
    let status: IncomingHttpHeaders = {}
    const note = (headers: IncomingHttpHeaders): void => {
      if (headers['grpc-status'] !== undefined) status = headers
    }
    stream.on('response', note)
    stream.on('trailers', note)
    stream.on('data', (chunk: Buffer) => parts.push(chunk))
    stream.on('error', reject)
    stream.on('end', () => {
      if (status['grpc-status'] === '0') resolve(messageOf(parts))
      else reject(new Error(`${status['grpc-status']} ${status['grpc-message']}`))
    })
  })
}

function messageOf(parts: readonly Buffer[]): Buffer {
  const [first] = parts
  return (parts.length === 1 && first !== undefined ? first : Buffer.concat(parts)).subarray(5)
}

/** Opens a stream, takes its first message and leaves, as a client does that wants one SVID. */
export async function firstMessage(
  session: ClientHttp2Session,
  path: string,
  framed: Buffer,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const stream = readMessages(session, path, framed, (message) => {
      stream.close(constants.NGHTTP2_CANCEL)
      resolve(message)
    })
    stream.on('error', reject)
    stream.on('close', () => reject(new Error('the stream ended without a message')))
  })
}

/** Opens a stream and hands over each message until it ends. */
export function readMessages(
  session: ClientHttp2Session,
  path: string,
  framed: Buffer,
  onMessage: (message: Buffer) => void,
): ClientHttp2Stream {
  const stream = begin(session, path, framed)
  let pending: Buffer = Buffer.alloc(0)
  stream.on('data', (chunk: Buffer) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk])
    while (pending.length >= 5) {
      const end = 5 + pending.readUInt32BE(1)
      if (pending.length < end) return
      onMessage(pending.subarray(5, end))
      pending = pending.subarray(end)
    }
  })
  return stream
}

/** nghttp2 lets a client reset 1,000 streams and then 33 a second: enough for people, not for a bench. */
const resetsPerSession = 800

/** One client that dials anew before it has left too many streams. */
export function steadyClient(
  dial: () => Promise<ClientHttp2Session>,
): (call: (session: ClientHttp2Session) => Promise<Buffer>) => Promise<Buffer> {
  let session: ClientHttp2Session | undefined
  let calls = 0
  return async (call) => {
    if (session === undefined || calls >= resetsPerSession) {
      session?.destroy()
      session = await dial()
      calls = 0
    }
    calls += 1
    return call(session)
  }
}

/**
 * Many sessions, each served before there are too many for the listener's queue. `begin` makes the calls of each as soon as
 * it is there: one without a call is cut after ten seconds.
 */
export async function h2UnixMany(
  path: string,
  count: number,
  begin: (session: ClientHttp2Session) => void,
): Promise<ClientHttp2Session[]> {
  const sessions: ClientHttp2Session[] = []
  const openServed = async (): Promise<ClientHttp2Session> => {
    const session = await h2Unix(path)
    const served = new Promise((resolve) => session.once('remoteSettings', resolve))
    begin(session)
    await served
    return session
  }
  while (sessions.length < count) {
    const some = Math.min(100, count - sessions.length)
    sessions.push(...(await Promise.all(Array.from({ length: some }, openServed))))
  }
  return sessions
}
