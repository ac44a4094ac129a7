import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadServerConfig, type ServerConfig } from '../../server/config.ts'
import { runServer } from '../../server/main.ts'
import { createClient, type RpcClient } from '../../src/rpc/client.ts'
import { dialTls, dialUnix, type RpcChannel } from '../../src/rpc/dial.ts'
import type { ServiceDefinitions } from '../../src/rpc/services.ts'
import { type Log, silentLog } from '../../src/runtime/log.ts'
import { joinTokenAgentId } from '../../src/spiffe-id/reserved.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { createCsr } from '../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner } from '../../src/x509/key.ts'

export const trustDomain: TrustDomain = TrustDomain.parse('example.org')

export interface TestIdentity {
  readonly id: SpiffeId
  readonly chain: readonly Buffer[]
  /** PKCS#8 DER */
  readonly privateKey: Buffer
}

export interface RunningServer {
  readonly config: ServerConfig
  readonly address: string
  readonly folder: string
  /** A client on the admin socket. */
  admin<N extends keyof ServiceDefinitions>(name: N): RpcClient<ServiceDefinitions[N]>
  /** A client over TLS, as whoever the identity says. */
  dial(identity?: TestIdentity): RpcChannel
  /** Attests an agent with a fresh join token. */
  joinAgent(options?: { readonly token?: string }): Promise<TestIdentity>
  stop(): Promise<void>
  /** Stops, and removes the data. */
  remove(): Promise<void>
}

/** Of a large batch a slow machine may make more than the ten seconds that a client waits unless told. */
export function patient<D>(client: RpcClient<D>): RpcClient<D> {
  return {
    ...client,
    unary: (rpc, request, options) => client.unary(rpc, request, { timeoutMs: 50_000, ...options }),
  }
}

/** A real server in this process: real SQLite, real TLS on a free port, real sockets. */
export async function startServer(
  options: {
    readonly overrides?: Partial<ServerConfig>
    readonly folder?: string
    readonly log?: Log
  } = {},
): Promise<RunningServer> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'cs-'))
  const config: ServerConfig = {
    ...loadServerConfig({
      file: undefined,
      env: {},
      flags: {
        trust_domain: trustDomain,
        data_dir: join(folder, 'server'),
        bind_address: '127.0.0.1:0',
        http_address: 'false',
      },
    }),
    ...options.overrides,
  }
  const stopping = new AbortController()
  let failed: (error: unknown) => void = () => {}
  const ready = Promise.withResolvers<string>()
  failed = ready.reject
  const running = runServer(config, stopping.signal, {
    log: options.log ?? silentLog,
    onReady: ({ address }) => ready.resolve(`${address.host}:${address.port}`),
  })
  running.catch(failed)
  const address = await ready.promise
  const channels: RpcChannel[] = []
  const keep = (channel: RpcChannel): RpcChannel => {
    channels.push(channel)
    return channel
  }
  const adminChannel = keep(dialUnix(config.adminSocket))
  const server: RunningServer = {
    config,
    address,
    folder,
    admin: (name) => patient(createClient(name, adminChannel)),
    dial: (identity) =>
      keep(
        dialTls({
          address,
          // What the server shows is the subject of other tests.
          log: silentLog,
          verifyPeer: () => SpiffeId.parse('spiffe://example.org/spire/server'),
          ...(identity !== undefined && { identity: () => identity }),
        }),
      ),
    joinAgent: async (joinOptions = {}) => {
      const token =
        joinOptions.token ??
        (
          await server.admin('spire.api.server.agent.v1.Agent').unary('CreateJoinToken', {
            ttl: 60,
          })
        ).value
      return attest(server.dial(), token)
    },
    async stop() {
      for (const channel of channels) channel.close()
      stopping.abort(new DOMException('stopped', 'AbortError'))
      await running
    },
    async remove() {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
  return server
}

/** Attests with a join token over this channel. Throws what the server answered. */
export async function attest(channel: RpcChannel, token: string): Promise<TestIdentity> {
  const { privateKey } = await generateKeyPair('ec-p256')
  const csr = await createCsr(softwareSigner(privateKey))
  const call = createClient('spire.api.server.agent.v1.Agent', channel).bidi('AttestAgent')
  call.send({
    params: { data: { type: 'join_token', payload: Buffer.from(token) }, params: { csr } },
  })
  for await (const response of call.responses) {
    const svid = response.result?.svid
    if (svid === undefined || svid === null || svid.id === null) break
    return {
      id: SpiffeId.of(TrustDomain.parse(svid.id.trust_domain), svid.id.path),
      chain: svid.cert_chain,
      privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }),
    }
  }
  throw new Error('the attestation ended without an SVID')
}

/** An identity that the operator mints: what a workload or an admin shows. */
export async function mint(
  server: RunningServer,
  path: string,
  ttlSeconds = 0,
): Promise<TestIdentity> {
  const id = SpiffeId.of(trustDomain, path)
  const { privateKey } = await generateKeyPair('ec-p256')
  const csr = await createCsr(softwareSigner(privateKey), { spiffeId: id })
  const { svid } = await server
    .admin('spire.api.server.svid.v1.SVID')
    .unary('MintX509SVID', { csr, ttl: ttlSeconds })
  return {
    id,
    chain: svid?.cert_chain ?? [],
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }),
  }
}

/** A JWT-SVID that the operator mints. */
export async function mintJwt(
  server: Pick<RunningServer, 'admin'>,
  path: string,
  audience: string | readonly string[],
  ttlSeconds = 0,
): Promise<string> {
  const { svid } = await server.admin('spire.api.server.svid.v1.SVID').unary('MintJWTSVID', {
    ...{ id: { trust_domain: trustDomain, path }, audience: [audience].flat(), ttl: ttlSeconds },
  })
  return svid?.token ?? ''
}

/** An entry as the wire wants it. */
export function wireEntry(options: {
  readonly path: string
  readonly parent: SpiffeId
  readonly selectors?: readonly string[]
  readonly [field: string]: unknown
}): Record<string, unknown> {
  const { path, parent, selectors = ['unix:uid:1000'], ...rest } = options
  return {
    spiffe_id: { trust_domain: trustDomain, path },
    parent_id: {
      trust_domain: SpiffeId.trustDomainOf(parent),
      path: SpiffeId.pathOf(parent),
    },
    selectors: selectors.map((text) => {
      const at = text.indexOf(':')
      return { type: text.slice(0, at), value: text.slice(at + 1) }
    }),
    ...rest,
  }
}

export const someAgent: SpiffeId = joinTokenAgentId(trustDomain, 'nobody-yet')
