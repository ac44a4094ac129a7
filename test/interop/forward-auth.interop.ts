import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, inject, onTestFinished, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import { toPem } from '../../src/x509/pem.ts'
import { start } from '../support/command.ts'
import { tryProxy } from '../support/forgeries.ts'
import { identityPrefixes } from '../support/identity-headers.ts'
import { askRaw, startProxied } from '../support/proxied-service.ts'
import { shownBy } from '../support/shown.ts'
import { startIssuer } from '../support/token-issuer.ts'
import { webCertificate } from '../support/web-certificate.ts'
import { boundTo } from '../unit/resource-server/access-fixtures.ts'
import { envoyVersions } from './envoy/install-envoy.ts'
import { eventually, freePorts } from './envoy/running-envoy.ts'
import { openStand, type Stand, trustDomain } from './stand.ts'

const envoys = inject('envoys')
const web = `spiffe://${trustDomain}/web`
const own = `spiffe://${trustDomain}/forward-auth`
let stand: Stand
let source: X509Source

beforeAll(async () => {
  stand = await openStand()
  const [agent] = await stand.operate<{ id: string }[]>('agent', 'list')
  const register = (id: string, program: string) =>
    stand.operate(
      ...['entry', 'create', '--wait', '--parent-id', agent?.id ?? '', '--spiffe-id', id],
      ...['--selector', `unix:path:${program}`],
    )
  // The endpoint is the same program as this, and its default identity is the one that was there first.
  await register(own, process.execPath)
  await register(web, process.execPath)
  for (const { version, server } of Object.values(envoys)) {
    await register(`spiffe://${trustDomain}/envoy-${version}`, server)
  }
  source = await X509Source.open({ endpoint: `unix://${stand.socket}` })
})

afterAll(async () => {
  await source?.close()
  await stand?.close()
})

/** A file of deploy/, with paths, ports and names of the test in the place of its own. */
function deployed(name: string, places: Readonly<Record<string, string>>): string {
  let text = readFileSync(
    fileURLToPath(new URL(`../../deploy/envoy/${name}`, import.meta.url)),
    'utf8',
  )
  for (const [theirs, ours] of Object.entries(places)) {
    if (!text.includes(theirs)) throw new Error(`${name} does not say ${theirs}`)
    text = text.replaceAll(theirs, ours)
  }
  return text
}

function keep(child: ChildProcess): () => string {
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said += String(chunk)
  })
  onTestFinished(async () => {
    const ended = once(child, 'close')
    if (child.exitCode === null && child.kill('SIGTERM')) await ended
  })
  return () => said
}

describe.for(envoyVersions.map((version) => ({ version })))('Envoy $version', ({ version }) => {
  const envoy = envoys[version]

  test.skipIf(envoy === undefined)(
    'lets in what forward-auth lets in, by deploy/envoy, and nobody names himself',
    async () => {
      if (envoy === undefined) return
      const service = await startProxied()
      onTestFinished(() => service[Symbol.asyncDispose]())
      const certificate = await webCertificate('localhost')
      onTestFinished(() => rmSync(certificate.folder, { recursive: true, force: true }))
      const issuer = await startIssuer(certificate)
      onTestFinished(() => issuer.close())
      const [port = 0, asked = 0] = await freePorts(2)
      const inFolder = (name: string, text: string): string => {
        const file = join(stand.folder, name)
        writeFileSync(file, text, { mode: 0o644 })
        return file
      }
      const config = inFolder(
        'forward-auth.yaml',
        deployed('forward-auth.yaml', {
          '127.0.0.1:9443': `127.0.0.1:${asked}`,
          'spiffe://example.org/envoy': `spiffe://${trustDomain}/envoy-${version}`,
          'https://as.example.org': issuer.url,
          '# issuer_ca: web-ca.pem': `issuer_ca: ${certificate.ca}`,
        }),
      )
      const endpoint = keep(
        start(['forward-auth', '--config', config], {
          env: { SPIFFE_ENDPOINT_SOCKET: `unix://${stand.socket}` },
        }),
      )
      const envoyConfig = inFolder(
        'envoy.yaml',
        deployed('envoy.yaml', {
          // A slow machine is not what is tried.
          'timeout: 2s': 'timeout: 30s',
          'port_value: 8443': `port_value: ${port}`,
          'port_value: 8080': `port_value: ${service.port}`,
          'port_value: 9443': `port_value: ${asked}`,
          'spiffe://example.org': `spiffe://${trustDomain}`,
          '/run/countersign/agent.sock': stand.socket,
        }),
      )
      const options = ['--disable-hot-restart', '--concurrency', '1', '-l', 'warning']
      const proxy = keep(spawn(envoy.server, ['-c', envoyConfig, ...options]))
      const svid = source.svid({ spiffeId: SpiffeId.parse(web) })
      const other = source.svid({ spiffeId: SpiffeId.parse(own) })
      let last = ''
      const said = (): string => `${last}\n${endpoint()}\n${proxy()}`
      await eventually(async () => {
        last = await askRaw(port, shownBy(other), 'GET /orders', []).then(
          ({ text }) => text,
          String,
        )
        return last.startsWith('HTTP/1.1 401')
      }, said)

      const exp = Math.floor(Date.now() / 1000) + 3600
      const who = { sub: web, client_id: web, aud: 'https://orders.example.org', exp }
      const token = (claims: Record<string, unknown>) =>
        issuer.sign({ ...who, scope: 'orders:read', ...claims })
      const [leaf = Buffer.alloc(0)] = svid.chain
      await tryProxy({
        ...{ port, service, web },
        client: shownBy(svid),
        thief: shownBy(other),
        anybody: shownBy(other),
        certificate: encodeURIComponent(toPem('CERTIFICATE', leaf)),
        bound: `Bearer ${await token({ jti: 'bound', ...boundTo(leaf) })}`,
        unbound: `Bearer ${await token({ jti: 'unbound' })}`,
        revoke: () => issuer.revoke({ kind: 'token', id: 'bound', notBefore: 0 }),
        also: identityPrefixes.map((prefix) => `${prefix}some`),
        malformed: [400, 426],
      }).catch((error) => {
        throw new Error(said(), { cause: error })
      })
      expect(service.reached.length).toBeGreaterThan(50)
    },
  )
})
