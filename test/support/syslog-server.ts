import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** A syslog server on TCP, on a free port of this machine. */
export interface SyslogServer {
  readonly address: { readonly host: string; readonly port: number }
  /** All that has come, its lengths and headers too. */
  text(): string
  /** The messages alone, each a record of a trail, in order and once. */
  lines(): readonly string[]
  close(): void
}

export async function startSyslogServer(): Promise<SyslogServer> {
  let text = ''
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
      text += String(chunk)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    address: { host: '127.0.0.1', port },
    text: () => text,
    lines: () => [
      ...new Set(
        [...text.matchAll(/ - (\{"v":1,.*?"hash":"[0-9a-f]{64}"\})/g)].map(([, one = '']) => one),
      ),
    ],
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
