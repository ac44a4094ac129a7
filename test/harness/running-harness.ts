import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { toPem } from '../../src/x509/pem.ts'
import type { Identity } from './identities.ts'
import { ScriptedWorkloadApi } from './workload-api.ts'

const program = fileURLToPath(new URL('harness.ts', import.meta.url))
const host = '127.0.0.1'

export interface Answered {
  readonly code: number
  readonly body: { readonly status: string; readonly [field: string]: unknown }
}

/** The harness in a process of its own, seen from outside. */
export interface Harness {
  /** Resolves with READY; rejects where it ends before. */
  readonly ready: Promise<void>
  readonly ended: Promise<number | null>
  /** The URI of the certificate that it shows; undefined where it shows none. */
  shown(): Promise<string | undefined>
  /** All certificates that it shows, DER, leaf first. */
  shownChain(): Promise<readonly Buffer[]>
  /** The ID that it says a client has; undefined where it turns the client away. */
  admits(client: Identity): Promise<string | undefined>
  /** The ID that it says a server has, which it is made to dial; undefined where it refuses the server. */
  trusts(server: Identity): Promise<string | undefined>
  ask(operation: string, body?: object): Promise<Answered>
  stop(): Promise<void>
}

export function startHarness(endpoint: string): Harness {
  const child = spawn(process.execPath, [program], {
    env: { PATH: process.env['PATH'], SPIFFE_ENDPOINT_SOCKET: endpoint },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve))
  const ports = portsOf(child)
  ports.catch(() => {})
  const x509 = async (): Promise<number> => (await ports).x509
  const ask: Harness['ask'] = async (operation, body) => {
    const [method = '', path = ''] = operation.split(' ')
    const response = await fetch(`http://${host}:${(await ports).control}${path}`, {
      method,
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { code: response.status, body: (await response.json()) as Answered['body'] }
  }
  return {
    ready: ports.then(() => {}),
    ended,
    shown: async () => uriOf((await talk(await x509())).chain[0]),
    shownChain: async () => (await talk(await x509())).chain,
    async admits(client) {
      const { text } = await talk(await x509(), client)
      return text === '' ? undefined : text.trimEnd()
    },
    async trusts(identity) {
      const server = createServer(tlsOptions(identity), (socket) => socket.on('error', () => {}))
      server.on('tlsClientError', () => {})
      await new Promise<void>((resolve) => server.listen(0, host, resolve))
      const { port } = server.address() as { port: number }
      const { code, body } = await ask('POST /v1/x509/dial', { address: `${host}:${port}` })
      server.close()
      if (code === 422 && body.status === 'rejected') return undefined
      if (code !== 200) throw new Error(JSON.stringify(body))
      return String(body['spiffe_id'])
    },
    ask,
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** A Workload API on a socket of its own, and the harness that is told of it. */
export async function startBoth(): Promise<{
  readonly api: ScriptedWorkloadApi
  readonly harness: Harness
  stop(): Promise<void>
}> {
  const api = new ScriptedWorkloadApi()
  await api.server.listen()
  const harness = startHarness(api.server.endpoint)
  return {
    api,
    harness,
    async stop() {
      await harness.stop()
      await api.server.close()
    },
  }
}

/** Asks again at once until the answer is yes; the test's own time-out ends it. */
export async function until(question: () => Promise<boolean>): Promise<void> {
  while (!(await question()));
}

async function portsOf(child: ChildProcess): Promise<{ x509: number; control: number }> {
  let errors = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    errors = (errors + chunk.toString()).slice(-4000)
  })
  const said = new Map<string, string>()
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    const [name = '', value = ''] = line.split('=')
    said.set(name, value)
    if (name !== 'READY') continue
    if (said.get('SPIFFE_HARNESS_VERSION') !== '1') throw new Error('another version')
    return {
      x509: Number(said.get('SPIFFE_X509_PORT')),
      control: Number(said.get('SPIFFE_CONTROL_PORT')),
    }
  }
  throw new Error(`the harness ended before READY: ${errors}`)
}

/** One connection: what the other side shows, and all that it says; nothing where it turns us away. */
function talk(
  port: number,
  client?: Identity,
): Promise<{ readonly chain: readonly Buffer[]; readonly text: string }> {
  return new Promise((resolve) => {
    let chain: readonly Buffer[] = []
    let text = ''
    const options = client === undefined ? {} : tlsOptions(client)
    const socket = connect({ ...options, host, port, rejectUnauthorized: false }, () => {
      chain = chainOf(socket)
    })
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    socket.on('error', () => {})
    socket.once('close', () => resolve({ chain, text }))
  })
}

function tlsOptions({ chain, privateKey }: Identity): object {
  return {
    cert: chain.map((der) => toPem('CERTIFICATE', der)).join(''),
    key: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    requestCert: true,
    rejectUnauthorized: false,
  }
}

function chainOf(socket: TLSSocket): readonly Buffer[] {
  const chain: Buffer[] = []
  for (let one = socket.getPeerX509Certificate(); one !== undefined; one = one.issuerCertificate) {
    chain.push(one.raw)
  }
  return chain
}

function uriOf(der: Buffer | undefined): string | undefined {
  return der === undefined ? undefined : parseCertificate(der).uris[0]
}
