import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { accessOf, createVerifier, requireAccessToken } from 'countersign/resource-server'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { allowWeb, ask, issuer, orders } from '../support/oauth.ts'
import { type WebCertificate, webCertificate } from '../support/web-certificate.ts'
import { sources } from './build-folder.ts'
import { buildGo, type Probe } from './languages.ts'
import { idOf, openStand, type Stand, saidIn } from './stand.ts'

const { go, python } = inject('probes')
const found = [go, python].filter((one) => one !== undefined)
let web: WebCertificate
let ofService: WebCertificate
let stand: Stand
let address: string
let service: Server

beforeAll(async () => {
  web = await webCertificate('as.example.org')
  ofService = await webCertificate('orders.example.org')
  const policy = join(web.folder, 'policy')
  mkdirSync(policy)
  const policies = found.map(({ language }) =>
    allowWeb
      .replace('"web-reads-orders"', `"${language}-reads-orders"`)
      .replace('spiffe://example.org/web', idOf(language)),
  )
  writeFileSync(join(policy, 'orders.cedar'), policies.join('\n'))
  stand = await openStand({
    server: [
      'oauth:',
      `  issuer: ${issuer}`,
      '  address: 127.0.0.1:0',
      `  certificate: ${web.certificate}`,
      `  key: ${web.key}`,
      `  policy: ${policy}`,
      '  resources:',
      `    - id: ${orders}`,
      '      scopes: [orders:read, orders:write]',
    ],
  })
  address = String(saidIn(stand.log(), 'access tokens are issued')?.['address'])
  const port = Number(address.split(':').at(-1))
  const verifier = createVerifier({
    issuer,
    audience: orders,
    jwks: async () => (await ask(port, web, '/oauth/jwks')).body,
  })
  const guarded = requireAccessToken({ verifier, scopes: ['orders:read'] })
  const tls = { cert: readFileSync(ofService.certificate), key: readFileSync(ofService.key) }
  service = createServer(
    { ...tls, requestCert: true, rejectUnauthorized: false },
    (request, response) =>
      void guarded(request, response, () => response.end(accessOf(request).subject)),
  )
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  writeFileSync(
    join(web.folder, 'roots.pem'),
    readFileSync(web.ca, 'utf8') + readFileSync(ofService.ca, 'utf8'),
  )
})

afterAll(async () => {
  await new Promise((resolve) => service?.close(resolve))
  await stand?.close()
  for (const one of [web, ofService]) rmSync(one.folder, { recursive: true, force: true })
})

/** What `go/cmd/oauth` and `python/oauth.py` print. */
interface Used {
  readonly method: string
  readonly error?: string
  readonly claims?: Readonly<Record<string, unknown>>
  readonly changed?: string
  readonly status?: number
  readonly body?: string
}

function use(command: readonly string[], scope: string): Promise<readonly Used[]> {
  const [program = '', ...before] = command
  const { port } = service.address() as AddressInfo
  const roots = join(web.folder, 'roots.pem')
  const args = [...before, issuer, address, roots, orders, scope, `127.0.0.1:${port}`]
  const env = { ...process.env, SPIFFE_ENDPOINT_SOCKET: `unix://${stand.socket}` }
  return new Promise((resolve, reject) => {
    execFile(program, args, { env, timeout: 120_000 }, (error, stdout, stderr) => {
      if (error !== null) return reject(new Error(stderr, { cause: error }))
      resolve(
        stdout
          .trimEnd()
          .split('\n')
          .map((line) => JSON.parse(line) as Used),
      )
    })
  })
}

/** The program of this language, with the executable that it is known by. */
async function workloadOf({ language, executable }: Probe): Promise<Probe> {
  if (language === 'go') {
    const built = await buildGo('oauth')
    return { language, command: [built], executable: built }
  }
  const command = [join(sources, '.build/python/bin/python'), join(sources, 'python/oauth.py')]
  return { language, command, executable }
}

describe.each([
  ['go', go],
  ['python', python],
] as const)('a workload in %s', (_, probe) => {
  test.skipIf(probe === undefined)(
    'gets a token with either SVID, reads it with its own library, and is let in with it over mutual TLS',
    async () => {
      if (probe === undefined) return
      const workload = await workloadOf(probe)
      await stand.register([workload])
      const id = idOf(workload.language)
      const used = await use(workload.command, 'orders:read')
      const shared = {
        claims: expect.objectContaining({
          iss: issuer,
          aud: orders,
          sub: id,
          client_id: id,
          scope: 'orders:read',
        }),
        changed: expect.stringMatching(/signature/i),
        status: 200,
        body: id,
      }
      expect(used.toSorted((a, b) => a.method.localeCompare(b.method))).toEqual([
        { method: 'spiffe_jwt', ...shared },
        { method: 'spiffe_x509', ...shared },
      ])
      for (const { method, claims } of used) {
        expect(claims?.['cnf'] !== undefined).toBe(method === 'spiffe_x509')
      }
      const refused = await use(workload.command, 'orders:write')
      expect(refused.map(({ error }) => error ?? '')).toEqual([
        expect.stringContaining('invalid_scope'),
        expect.stringContaining('invalid_scope'),
      ])
    },
  )
})
