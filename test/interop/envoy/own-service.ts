import { Agent, createServer, request } from 'node:https'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { createClient } from '../../../src/rpc/client.ts'
import { dialUnix } from '../../../src/rpc/dial.ts'
import type { X509SVID } from '../../../src/rpc/gen/X509SVID.ts'
import { splitCertificates } from '../../../src/x509/certificate.ts'
import { toPem } from '../../../src/x509/pem.ts'

/** A service of our own: HTTP over mTLS, with what the Workload API gives. */
export interface OwnService {
  readonly port: number
  /** Who signed the certificates of its callers so far. */
  readonly signers: ReadonlySet<string>
  /** One GET, on a connection of its own, of a server that has to be this ID. */
  get(port: number, id: string): Promise<{ readonly status: number; readonly body: string }>
  close(): Promise<void>
}

export async function openOwnService(
  socket: string,
  isAllowed: (peer: string) => boolean,
): Promise<OwnService> {
  const channel = dialUnix(socket)
  const leaving = new AbortController()
  const signers = new Set<string>()
  const server = createServer({ requestCert: true, minVersion: 'TLSv1.3' }, (call, response) => {
    const certificate = (call.socket as TLSSocket).getPeerX509Certificate()
    signers.add(certificate?.issuer ?? '')
    const mayPass = isAllowed(idIn(certificate?.subjectAltName))
    response.writeHead(mayPass ? 200 : 403, { connection: 'close' }).end('hello')
  })
  let now = { cert: '', key: '', ca: '' }
  const first = Promise.withResolvers<void>()
  const watching = (async () => {
    const stream = createClient('SpiffeWorkloadAPI', channel).serverStream(
      'FetchX509SVID',
      {},
      { metadata: { 'workload.spiffe.io': 'true' }, signal: leaving.signal },
    )
    for await (const { svids } of stream) {
      now = materialOf(svids[0] as X509SVID)
      server.setSecureContext(now)
      first.resolve()
    }
  })()
  watching.catch(first.reject)
  await first.promise
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    port: (server.address() as { port: number }).port,
    signers,
    get: (port, id) =>
      new Promise((resolve, reject) => {
        const call = request({
          ...now,
          host: '127.0.0.1',
          port,
          agent: new Agent({ maxCachedSessions: 0 }),
          checkServerIdentity: (_host: string, certificate: PeerCertificate) =>
            idIn(certificate.subjectaltname) === id ? undefined : new Error('another server'),
        })
        call.on('response', (response) => {
          let body = ''
          response.on('data', (chunk) => {
            body += String(chunk)
          })
          response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
        })
        call.on('error', reject)
        call.end()
      }),
    async close() {
      leaving.abort()
      await watching.catch(() => {})
      channel.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function idIn(alternativeNames: string | undefined): string {
  return /^URI:(spiffe:\/\/[^,]+)$/.exec(alternativeNames ?? '')?.[1] ?? ''
}

function materialOf(svid: X509SVID): { readonly cert: string; key: string; ca: string } {
  const pem = (der: readonly Buffer[]) => der.map((one) => toPem('CERTIFICATE', one)).join('')
  return {
    cert: pem(splitCertificates(svid.x509_svid)),
    key: toPem('PRIVATE KEY', svid.x509_svid_key),
    ca: pem(splitCertificates(svid.bundle)),
  }
}
