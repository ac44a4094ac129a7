import type { ServerTrust } from '../../../../agent/node-attestation/server-trust.ts'
import { CountersignError } from '../../../../src/errors.ts'
import type { TlsIdentity } from '../../../../src/mtls/context.ts'
import { listenTls } from '../../../../src/mtls/handshake.ts'
import { bundleToWire, x509SvidToWire } from '../../../../src/rpc/convert.ts'
import { dialTls, type RpcChannel } from '../../../../src/rpc/dial.ts'
import type { AttestAgentRequest } from '../../../../src/rpc/gen/spire/api/server/agent/v1/AttestAgentRequest.ts'
import { bidiStream, unary } from '../../../../src/rpc/handler.ts'
import { createRpcServer } from '../../../../src/rpc/server.ts'
import { serviceDefinition } from '../../../../src/rpc/services.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { parseCertificate } from '../../../../src/x509/certificate.ts'
import { parseCsr } from '../../../../src/x509/csr.ts'
import type { CertificateAuthority } from '../../../../src/x509/issue.ts'
import { agentId, bundleWith, leafFor, svidFor } from '../cache/fixture.ts'

/** What a client showed: the serial of its leaf, `''` where it showed none. */
interface Peer {
  readonly serial: string
}

/** A server over real TLS and gRPC whose answers a test bends. */
export interface FakeServer {
  readonly address: string
  /** What clients showed on their connections, in order. */
  readonly shown: string[]
  readonly tokens: string[]
  /** Serials that count; the way a server forgets or confuses an agent. */
  readonly active: Set<string>
  /** In place of the usual answer to a token. */
  refusal: CountersignError | undefined
  /** Whose SVID an agent gets. */
  answerId: SpiffeId
  ttlMs: number
  /** Signs what agents ask for. */
  signer: CertificateAuthority
  renewals: number
  dial(trust: ServerTrust, identity?: () => TlsIdentity | undefined): RpcChannel
  close(): Promise<void>
}

export async function startFakeServer(
  ca: CertificateAuthority,
  id: SpiffeId = SpiffeId.parse('spiffe://example.org/spire/server'),
): Promise<FakeServer> {
  const now = () => new Date()
  const own = await svidFor({ spiffeId: id }, ca, { from: now() })
  const rpc = createRpcServer<Peer, Peer>({
    guard: (peer) => peer,
    maxReceiveBytes: 1 << 20,
    maxStreamsPerConnection: 100,
    log: silentLog,
  })
  const tls = await listenTls<Peer>({
    host: '127.0.0.1',
    port: 0,
    identity: () => ({ ...own, chain: [...own.chain, ca.certificate.der] }),
    verifyClient: ([leaf]) => {
      const serial = leaf === undefined ? '' : parseCertificate(leaf).serial
      server.shown.push(serial)
      return { serial }
    },
    onConnection: (socket, peer) => rpc.accept(socket, peer),
    handshakeTimeoutMs: 5000,
  })
  const sign = async (csr: Buffer) => {
    const life = { from: now(), ttlMs: server.ttlMs }
    const { spki } = parseCsr(csr)
    const der = await leafFor(spki, { spiffeId: server.answerId }, server.signer, life)
    const { serial, notAfter } = parseCertificate(der)
    server.active.add(serial)
    return x509SvidToWire({ spiffeId: server.answerId, chain: [der], expiresAt: notAfter })
  }
  rpc.addService(serviceDefinition('spire.api.server.bundle.v1.Bundle'), {
    GetBundle: unary(() => bundleToWire(bundleWith([{ ca }]))),
  })
  rpc.addService(serviceDefinition('spire.api.server.agent.v1.Agent'), {
    AttestAgent: bidiStream<Peer, AttestAgentRequest, object>(async function* (requests) {
      for await (const { params } of requests) {
        server.tokens.push(params?.data?.payload.toString('utf8') ?? '')
        if (server.refusal !== undefined) throw server.refusal
        yield { result: { svid: await sign(params?.params?.csr ?? Buffer.alloc(0)) } }
        return
      }
    }),
    RenewAgent: unary<Peer, { params: { csr: Buffer } | null }, object>(
      async ({ params }, { caller }) => {
        if (!server.active.has(caller.serial)) {
          throw new CountersignError('forbidden', 'not active', { reason: 'agent-not-active' })
        }
        server.renewals += 1
        return { svid: await sign(params?.csr ?? Buffer.alloc(0)) }
      },
    ),
  })
  const channels: RpcChannel[] = []
  const address = `127.0.0.1:${tls.address.port}`
  const server: FakeServer = {
    address,
    shown: [],
    tokens: [],
    active: new Set(),
    refusal: undefined,
    answerId: agentId,
    ttlMs: 3_600_000,
    signer: ca,
    renewals: 0,
    dial(trust, identity) {
      const channel = dialTls({
        address,
        verifyPeer: (chain) => trust.verify(chain),
        log: silentLog,
        ...(identity === undefined ? {} : { identity }),
      })
      channels.push(channel)
      return channel
    },
    async close() {
      for (const channel of channels) channel.close()
      await rpc.close(0)
      await tls.close()
    },
  }
  return server
}
