import { once } from 'node:events'
import { TLSSocket } from 'node:tls'
import type { IdentitySource } from '../../src/mtls/identity-source.ts'
import { connectMtls, listenMtls } from '../../src/mtls/mutual-tls.ts'
import { type Log, silentLog } from '../../src/runtime/log.ts'
import { matchOneOf, matchTrustDomain } from '../../src/spiffe-id/matchers.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { readCertificate } from '../../src/x509/certificate.ts'

/** One connection, each end as the other saw it: its ID, and the authority that signed what it showed. */
export interface Meeting {
  readonly peer: string
  readonly peerAuthority: string
  readonly seenAs: string
  readonly seenAuthority: string
}

const timeoutMs = 10_000

/** Tells each peer of the own trust domain who it is taken for: `ID AUTHORITY`, for its line. */
export function listenAs(
  source: IdentitySource,
  onRefused: (reason: string) => void,
): ReturnType<typeof listenMtls> {
  const refused = (message: string, fields?: Readonly<Record<string, unknown>>): void =>
    onRefused(`${message} ${fields?.['reason'] ?? ''}`.trimEnd())
  const log: Log = { ...silentLog, debug: refused, info: refused, warn: refused, error: refused }
  return listenMtls({
    source,
    authorize: matchTrustDomain(SpiffeId.trustDomainOf(source.svid().spiffeId)),
    host: '127.0.0.1',
    port: 0,
    timeoutMs,
    log,
    onConnection(socket, peer) {
      const authority = peerAuthorityOf(socket)
      socket.setTimeout(timeoutMs, () => socket.destroy())
      socket.once('data', () => socket.end(`${peer.spiffeId} ${authority}\n`))
    },
  })
}

/** One new connection to this address, where that ID has to answer. Rejects where it came to nothing. */
export async function meet(
  source: IdentitySource,
  address: string,
  expected: string,
): Promise<Meeting> {
  const { hostname: host, port } = new URL(`tcp://${address}`)
  const authorize = matchOneOf(SpiffeId.parse(expected))
  const { socket, peer } = await connectMtls({
    source,
    authorize,
    host,
    port: Number(port),
    timeoutMs,
  })
  const peerAuthority = peerAuthorityOf(socket)
  const [seenAs = '', seenAuthority = ''] = (await ask(socket)).split(' ')
  return { peer: peer.spiffeId, peerAuthority, seenAs, seenAuthority }
}

// Node hands out what a peer showed once a connection, and the product takes it: so it is kept on the way.
const shown = new WeakMap<TLSSocket, Buffer>()
const { getPeerX509Certificate } = TLSSocket.prototype
TLSSocket.prototype.getPeerX509Certificate = function () {
  const certificate = getPeerX509Certificate.call(this)
  if (certificate !== undefined) shown.set(this, certificate.raw)
  return certificate
}

function peerAuthorityOf(socket: TLSSocket): string {
  return signerOf(shown.get(socket))
}

/** The ID of the authority that signed this certificate, as `countersign authority x509 show` has it. */
export function signerOf(certificate: Buffer | undefined): string {
  const signer = certificate && readCertificate(certificate).authorityKeyId
  if (signer === undefined) throw new TypeError('a certificate that names no signer')
  return signer.toString('hex')
}

async function ask(socket: TLSSocket): Promise<string> {
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer')))
  socket.write('who am I\n')
  let answer = ''
  for await (const data of socket) answer += String(data)
  if (!answer.endsWith('\n')) throw new Error('the peer hung up')
  if (!socket.closed) await once(socket, 'close')
  return answer.trimEnd()
}

export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const cause = error.cause === undefined ? '' : ` < ${reasonOf(error.cause)}`
  return `${'reason' in error ? error.reason : error.message}${cause}`
}
