import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { connect, type TLSSocket } from 'node:tls'
import { type BrokerConfig, loadBrokerConfig } from '../../server/broker/config.ts'
import { runBroker } from '../../server/broker/main.ts'
import { createLog } from '../../src/runtime/json-log.ts'
import type { Log } from '../../src/runtime/log.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { FakeWorkloadApi } from '../../src/testing/fake-workload-api.ts'
import { toPem } from '../../src/x509/pem.ts'
import { parseReply, type Reply, readAnswer } from './broker-reply.ts'
import { freePort } from './free-port.ts'
import { type RawVendor, startRawVendor } from './raw-vendor.ts'
import { recordsIn } from './records-in.ts'
import { type Showable, shownBy } from './shown.ts'
import { startIssuer, type TokenIssuer } from './token-issuer.ts'
import { webCertificate } from './web-certificate.ts'

export const vendorKey: string = 'sk-live-4eC39HqLyjWDarjtT1zdp7dc'
export const caller: string = 'spiffe://example.org/web'

export const allowAll: string = `
@id("web-calls-acme")
permit (principal == Workload::"${caller}", action == Action::"callVendor", resource);
`

/** What a test wants of its broker; each has the integration `acme` at the vendor. */
export interface BrokerWishes {
  /** Where it names the integration, told by which URL that is known. */
  readonly policy?: string | ((acme: string) => string)
  /** Laid over the integration `acme`. */
  readonly acme?: Readonly<Record<string, unknown>>
  /** Further integrations. */
  readonly others?: readonly Readonly<Record<string, unknown>>[]
  readonly vendorHost?: string
  /** What the vendor's name leads to; asked at each look-up. */
  readonly addresses?: () => readonly string[]
  /** Whether the issuer's feed is followed; it is not unless told. */
  readonly feed?: boolean
  /** `audit_sinks`, as in the file. */
  readonly auditSinks?: readonly object[]
  /** Whether it has an address for its metrics; it has none unless told. */
  readonly metrics?: boolean
  /** In place of one that `log()` tells of. */
  readonly log?: Log
}

/** Why nobody is served while the feed of revocations is late. */
const unknown = 'revocation-unknown'

/** All but those who were made for it. */
export type BrokerAlone = Omit<RunningBroker, 'api' | 'issuer' | 'token'>

export interface RunningBroker {
  readonly config: BrokerConfig
  readonly folder: string
  readonly vendor: RawVendor
  readonly api: FakeWorkloadApi
  readonly issuer: TokenIssuer
  readonly host: string
  readonly port: number
  /** Everything that the broker wrote to its log. */
  log(): string
  /** But for its signed heads. */
  trail(): readonly TrailLine[]
  /** What its metrics say now. */
  metrics(): Promise<string>
  audience(integration?: string): string
  /** An access token of the issuer for the integration `acme`. */
  token(claims?: Readonly<Record<string, unknown>>): Promise<string>
  /** Opens a connection, as the SVID says, from this address of the machine. */
  dial(svid?: Showable, from?: string): Promise<TLSSocket>
  /** Sends these bytes on a connection of their own, and resolves with all that comes until it ends, or an answer is whole. */
  raw(bytes: string, svid?: Showable, from?: string): Promise<string>
  call(options?: CallOptions): Promise<Reply>
  /** The same, once it is known what was revoked: that may be late on a machine that is busy, and nothing is sent then. */
  decided(options?: CallOptions): Promise<Reply>
  /** A call to which the vendor's answer has begun; `rest` is all that the caller gets from then on. */
  underWay(options?: CallOptions): Promise<{ readonly rest: Promise<string> }>
  /** Writes the configuration anew, and has it read; resolves when it was, or was refused. */
  reload(wishes: BrokerWishes): Promise<void>
  stop(): Promise<void>
}

export interface CallOptions {
  readonly method?: string
  readonly path?: string
  readonly headers?: readonly string[]
  readonly body?: string
  readonly token?: string | undefined
  readonly svid?: Showable | undefined
  /** The caller's address, one of 127.0.0.0/8. */
  readonly from?: string
}

export interface TrailLine {
  readonly kind: string
  readonly reason?: string
  readonly [field: string]: unknown
}

/** Whom a broker has to do with, besides its vendor. */
export interface BrokerWorld {
  /** The agent's socket, by which it has its SVID, for `broker.example.org`. */
  readonly socket: string
  readonly issuer: string
  /** A PEM file. */
  readonly issuerCa: string
  /** What callers trust, PEM. */
  readonly authorities: readonly string[]
  /** Where it is to listen. */
  readonly port: number
}

/** A real broker in this process, with an agent's API, an issuer's keys and a vendor of this test's own. */
export async function startBroker(wishes: BrokerWishes = {}): Promise<RunningBroker> {
  const issuerWeb = await webCertificate('localhost')
  const api = await FakeWorkloadApi.start()
  await api.grant('spiffe://example.org/broker', { dnsNames: ['broker.example.org'] })
  const issuer = await startIssuer(issuerWeb)
  const close = async (): Promise<void> => {
    await Promise.all([issuer.close(), api.close()])
    rmSync(issuerWeb.folder, { recursive: true, force: true })
  }
  const world: BrokerWorld = {
    socket: api.endpoint.replace('unix://', ''),
    issuer: issuer.url,
    issuerCa: issuerWeb.ca,
    authorities: api.trustDomain.bundle.x509Authorities.map(({ certificate }) =>
      toPem('CERTIFICATE', certificate),
    ),
    port: await freePort(),
  }
  const broker = await startBrokerIn(world, wishes).catch(async (error: unknown) => {
    await close()
    throw error
  })
  return {
    ...{ ...broker, api, issuer },
    token: (claims = {}) =>
      issuer.sign({
        ...{ aud: broker.audience(), sub: caller, client_id: caller, jti: randomUUID() },
        ...{ txn: 'transaction-1', entry_id: 'entry-1', owner: 'web-team' },
        ...{ purpose: 'reads contacts', ...claims },
      }),
    async stop() {
      await broker.stop()
      await close()
    },
  }
}

/** The same between an agent and an issuer that are there already, and go on. */
export async function startBrokerIn(
  world: BrokerWorld,
  wishes: BrokerWishes = {},
): Promise<BrokerAlone> {
  const folder = mkdtempSync(join(tmpdir(), 'cs-broker-'))
  const { vendorHost = 'api.acme.test' } = wishes
  const vendorWeb = await webCertificate(vendorHost)
  const vendor = await startRawVendor(vendorWeb)
  const { port } = world
  const monitoring = wishes.metrics === true && `127.0.0.1:${await freePort()}`
  const origin = `https://broker.example.org:${port}`
  writeFileSync(join(folder, 'acme.key'), `${vendorKey}\n`, { mode: 0o600 })
  const policy = mkdtempSync(join(folder, 'policy-'))
  const { policy: said = allowAll } = wishes
  const text = typeof said === 'string' ? said : said(`${origin}/acme`)
  writeFileSync(join(policy, 'all.cedar'), text)
  const path = join(folder, 'broker.json')
  const write = (wanted: BrokerWishes): void => {
    const acme = {
      id: 'acme',
      owner: 'sales',
      upstream: `https://${vendorHost}:${vendor.port}`,
      ca: vendorWeb.ca,
      networks: ['127.0.0.0/8'],
      secret: { file: join(folder, 'acme.key') },
      inject: { header: 'X-Api-Key' },
      methods: ['GET', 'HEAD', 'POST', 'DELETE'],
      paths: ['/v2/**'],
      rate: '1000/s',
      ...wanted.acme,
    }
    const config = {
      url: origin,
      address: `127.0.0.1:${port}`,
      http_address: monitoring,
      data_dir: join(folder, 'data'),
      socket: world.socket,
      issuer: world.issuer,
      issuer_ca: world.issuerCa,
      policy,
      log_level: 'debug',
      feed: wanted.feed ?? wishes.feed ?? false,
      audit_sinks: wanted.auditSinks ?? wishes.auditSinks ?? [],
      integrations: [acme, ...(wanted.others ?? [])],
    }
    writeFileSync(path, JSON.stringify(config))
  }
  write(wishes)
  const config = loadBrokerConfig(path, new Date())
  let logged = ''
  const stream = new Writable({
    write(chunk, _encoding, done) {
      logged += String(chunk)
      done()
    },
  })
  const stopping = new AbortController()
  const ready = Promise.withResolvers<void>()
  let reload = async (): Promise<void> => {}
  const running = runBroker(config, stopping.signal, {
    env: {},
    log: wishes.log ?? createLog({ level: 'debug', component: 'broker', stream }),
    onReady: () => ready.resolve(),
    onReload: (listener) => {
      reload = async () => listener()
      return () => {}
    },
    readAgain: async () => loadBrokerConfig(path, new Date()),
    lookup: async (host) =>
      host === vendorHost ? (wishes.addresses?.() ?? ['127.0.0.1']) : ['127.0.0.1'],
  })
  running.catch(ready.reject)
  const close = async (): Promise<void> => {
    stopping.abort(new DOMException('stopped', 'AbortError'))
    await running.catch(() => {})
    await vendor.close()
    for (const one of [folder, vendorWeb.folder]) rmSync(one, { recursive: true, force: true })
  }
  await ready.promise.catch(async (error: unknown) => {
    await close()
    throw error
  })
  const audience = (integration = 'acme'): string => `${origin}/${integration}`
  const dial = async (svid?: Showable, from = '127.0.0.1'): Promise<TLSSocket> => {
    const socket = connect({
      socket: connectTcp({ host: '127.0.0.1', port, localAddress: from }),
      servername: 'broker.example.org',
      ca: [...world.authorities],
      ...(svid !== undefined && shownBy(svid)),
    })
    await new Promise<void>((resolve, reject) => {
      socket.once('secureConnect', resolve)
      socket.once('error', reject)
    })
    socket.on('error', () => {})
    return socket
  }
  const raw = async (bytes: string, svid?: Showable, from?: string): Promise<string> => {
    const socket = await dial(svid, from)
    socket.write(Buffer.from(bytes, 'latin1'))
    return readAnswer(socket, bytes.startsWith('HEAD'))
  }
  const requestOf = ({
    method = 'GET',
    path: target = '/acme/v2/contacts',
    headers = [],
    body,
    token,
  }: CallOptions): string => {
    const lines = [
      `${method} ${target} HTTP/1.1`,
      `host: broker.example.org:${port}`,
      ...(token === undefined ? [] : [`authorization: Bearer ${token}`]),
      ...(body === undefined ? [] : [`content-length: ${Buffer.byteLength(body)}`]),
      ...headers,
    ]
    return `${lines.join('\r\n')}\r\n\r\n${body ?? ''}`
  }
  const call = async (options: CallOptions = {}): Promise<Reply> =>
    parseReply(await raw(requestOf(options), options.svid, options.from))
  return {
    config,
    folder,
    vendor,
    port,
    host: `broker.example.org:${port}`,
    log: () => logged,
    trail: () => recordsIn<TrailLine>(config.auditFile),
    metrics: async () => (await fetch(`http://${monitoring}/metrics`)).text(),
    audience,
    dial,
    raw,
    call,
    async decided(options) {
      for (;;) {
        const reply = await call(options)
        if (reply.reason !== unknown) return reply
      }
    },
    async underWay(options = {}) {
      for (;;) {
        const socket = await dial(options.svid, options.from)
        socket.write(requestOf(options))
        const begun = await new Promise<string>((resolve) => {
          socket.once('data', (chunk) => resolve(String(chunk)))
        })
        if (!begun.includes(unknown)) return { rest: readAnswer(socket) }
        socket.destroy()
      }
    },
    async reload(wanted) {
      const reads = () => logged.split(/configuration (?:has been read again|is kept)/).length
      const before = reads()
      write(wanted)
      await reload()
      await eventually(() => reads() > before)
    },
    stop: close,
  }
}
