import { X509Certificate } from 'node:crypto'
import type { IncomingMessage, RequestListener } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { onTestFinished } from 'vitest'
import type { TlsIdentity } from '../../src/mtls/context.ts'

export interface TestEndpoint {
  readonly port: number
  /** Our own address of each connection that there was. */
  readonly connections: readonly (string | undefined)[]
  readonly requests: readonly IncomingMessage[]
  /** Shows another identity from now on. */
  become(identity: TlsIdentity): void
}

/** A real HTTPS server on every address of this machine, for one test. */
export async function startEndpoint(
  identity: TlsIdentity,
  answer: RequestListener,
): Promise<TestEndpoint> {
  const requests: IncomingMessage[] = []
  const connections: (string | undefined)[] = []
  const server = createServer(pem(identity), (request, response) => {
    requests.push(request)
    answer(request, response)
  })
  server.on('connection', (socket) => connections.push((socket as Socket).localAddress))
  await new Promise<void>((resolve) => server.listen(0, resolve))
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  )
  return {
    port: (server.address() as AddressInfo).port,
    connections,
    requests,
    become: (next) => server.setSecureContext(pem(next)),
  }
}

function pem({ chain, privateKey }: TlsIdentity): { readonly cert: string; readonly key: string } {
  const key = privateKey.toString('base64')
  return {
    cert: chain.map((der) => new X509Certificate(der).toString()).join(''),
    key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n`,
  }
}
