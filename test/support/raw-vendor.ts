import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'
import type { WebCertificate } from './web-certificate.ts'

/** Reads the head and what `content-length` or the last chunk says of the body; undefined: more is to come. */
function wholeRequest(bytes: Buffer): number | undefined {
  const text = bytes.toString('latin1')
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end).toLowerCase()
  if (/\r\ntransfer-encoding: *chunked/.test(head)) {
    const last = text.indexOf('0\r\n\r\n', end)
    return last < 0 ? undefined : last + 5
  }
  const length = Number(/\r\ncontent-length: *(\d+)/.exec(head)?.[1] ?? 0)
  return bytes.length < end + 4 + length ? undefined : end + 4 + length
}

export interface RawVendor {
  readonly port: number
  /** Each request as it came, byte by byte (latin1). */
  readonly requests: string[]
  readonly connections: number
  readonly sockets: ReadonlySet<TLSSocket>
  /** What is sent for a request; pieces are written one by one, each in a turn of its own. */
  answer: (
    request: string,
    socket: TLSSocket,
  ) => string | readonly (string | Buffer)[] | Promise<void>
  /** What is sent as soon as anything comes of a request. */
  early: (() => string) | undefined
  close(): Promise<void>
}

/** A vendor's server that knows no HTTP but what a test tells it: it keeps what it gets, and sends what it is told. */
export async function startRawVendor(
  certificate: WebCertificate,
  host: string = '127.0.0.1',
): Promise<RawVendor> {
  const sockets = new Set<TLSSocket>()
  const requests: string[] = []
  let connections = 0
  const tls = {
    cert: readFileSync(certificate.certificate),
    key: readFileSync(certificate.key),
  }
  const server = createServer(tls, (socket) => {
    connections += 1
    socket.setNoDelay()
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    let bytes: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      bytes = Buffer.concat([bytes, chunk])
      if (vendor.early !== undefined) {
        socket.write(vendor.early())
        return
      }
      const length = wholeRequest(bytes)
      if (length === undefined) return
      const request = bytes.toString('latin1', 0, length)
      bytes = bytes.subarray(length)
      requests.push(request)
      void send(socket, vendor.answer(request, socket))
    })
  })
  const vendor: RawVendor = {
    get port() {
      return (server.address() as AddressInfo).port
    },
    requests,
    sockets,
    get connections() {
      return connections
    },
    answer: () => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi',
    early: undefined,
    async close() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  server.listen(0, host)
  await once(server, 'listening')
  return vendor
}

async function send(socket: TLSSocket, answer: ReturnType<RawVendor['answer']>): Promise<void> {
  const pieces = await answer
  if (pieces === undefined) return
  for (const piece of typeof pieces === 'string' ? [pieces] : pieces) {
    socket.write(typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece)
    await new Promise(setImmediate)
  }
}
