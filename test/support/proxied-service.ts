import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connect } from 'node:tls'

/** A service behind a proxy, which keeps the requests that reach it. */
export interface ProxiedService extends AsyncDisposable {
  readonly port: number
  readonly reached: { readonly target: string; readonly headers: IncomingHttpHeaders }[]
}

export async function startProxied(): Promise<ProxiedService> {
  const reached: ProxiedService['reached'] = []
  const server = createServer((request, response) => {
    reached.push({ target: `${request.method} ${request.url}`, headers: request.headers })
    response.end('in')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    reached,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

/** What a client shows in TLS, PEM; it believes every server, since it is the proxy that is tried here. */
export interface Shown {
  readonly cert?: string
  readonly key?: string
}

/** A request byte by byte, so that nothing on this side makes it proper. The status, and what was said. */
export async function askRaw(
  port: number,
  shown: Shown,
  line: string,
  headers: readonly (readonly [name: string, value: string])[],
): Promise<{ readonly status: number; readonly text: string }> {
  const socket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false, ...shown })
  const all = [['host', 'orders.example.org'], ['connection', 'close'], ...headers]
  const lines = [`${line} HTTP/1.1`, ...all.map(([name, value]) => `${name}: ${value}`)]
  socket.write(`${lines.join('\r\n')}\r\n\r\n`)
  let text = ''
  socket.setTimeout(30_000, () => socket.destroy(new Error('no answer in 30 s')))
  for await (const chunk of socket) text += String(chunk)
  return { status: Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1]), text }
}
