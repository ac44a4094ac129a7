import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { IncomingHttpHeaders, RequestOptions } from 'node:http'
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  Configuration,
  customFetch,
  discovery,
  enableNonRepudiationChecks,
  genericGrantRequest,
  None,
} from 'openid-client'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { OidcSettings } from '../../server/oidc/settings.ts'
import type { Log } from '../../src/runtime/log.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { openWorkloadApi } from '../../src/workload-api/grpc.ts'
import { agentIdOf, startAgent } from '../support/running-agent.ts'
import { type RunningServer, startServer, wireEntry } from '../support/running-server.ts'
import { type WebCertificate, webCertificate } from '../support/web-certificate.ts'

const issuer = 'https://oidc.example.org/workloads'
const discoveryPath = '/workloads/.well-known/openid-configuration'
const keysPath = '/workloads/keys'
const audience = 'https://relying-party.example.org'
let web: WebCertificate

beforeAll(async () => {
  web = await webCertificate('oidc.example.org')
})

afterAll(() => rmSync(web.folder, { recursive: true, force: true }))

/** A server with discovery on a free port, which its log tells. */
async function start(
  oidc: Partial<OidcSettings>,
  jwt: { readonly jwtKeyKind?: 'rsa-2048'; readonly jwtRs256Audiences?: readonly string[] } = {},
): Promise<{ readonly server: RunningServer; readonly port: number }> {
  const listening = Promise.withResolvers<number>()
  const log: Log = {
    ...silentLog,
    info(message, fields) {
      if (message !== 'documents are served') return
      listening.resolve(Number(String(fields?.['address']).split(':').at(-1)))
    },
  }
  const server = await startServer({
    log,
    overrides: {
      jwtIssuer: issuer,
      ca: {
        ttlSeconds: 86_400,
        keyKind: 'ec-p256',
        jwtKeyKind: 'ec-p256',
        jwtRs256Audiences: [],
        ...jwt,
      },
      oidc: {
        address: { host: '127.0.0.1', port: 0 },
        issuer,
        hosts: ['oidc.example.org'],
        tls: { certificate: web.certificate, key: web.key },
        ...oidc,
      },
    },
  })
  onTestFinished(() => server.remove())
  return { server, port: await listening.promise }
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A request to this port, as if `oidc.example.org` led there. */
function get(
  port: number,
  path: string,
  options: RequestOptions & { readonly plain?: boolean } = {},
): Promise<Answer> {
  const { plain = false, headers = {}, ...rest } = options
  return new Promise((resolve, reject) => {
    const request = plain ? httpRequest : httpsRequest
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        path,
        servername: 'oidc.example.org',
        ca: readFileSync(web.ca),
        agent: false,
        headers: { host: 'oidc.example.org', ...headers },
        ...rest,
      },
      (response) => {
        let body = ''
        response.on('data', (chunk) => {
          body += String(chunk)
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
        )
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

const settings = [
  { with: 'an ES256 key', jwt: {}, alg: 'ES256' },
  { with: 'an RSA key', jwt: { jwtKeyKind: 'rsa-2048' }, alg: 'RS256' },
  {
    with: 'an RS256 key beside it for this audience',
    jwt: { jwtRs256Audiences: [audience] },
    alg: 'RS256',
  },
] as const

describe.for(settings)('with $with', ({ jwt, alg }) => {
  test('openid-client discovers the issuer and accepts a JWT-SVID, its signature checked', async () => {
    const { server, port } = await start({}, jwt)
    let token = await workloadToken(server)
    const fetch = async (url: string): Promise<Response> => {
      // The token endpoint is the relying party's own affair: here it hands over what the workload showed.
      if (url === `${issuer}/token`) {
        return Response.json({ access_token: 'unused', token_type: 'bearer', id_token: token })
      }
      const { pathname } = new URL(url)
      const { status, body } = await get(port, pathname)
      return new Response(body, { status, headers: { 'content-type': 'application/json' } })
    }
    const found = await discovery(new URL(issuer), audience, undefined, None(), {
      [customFetch]: fetch,
    })
    expect(found.serverMetadata().jwks_uri).toBe(`https://oidc.example.org${keysPath}`)
    const { jwks_uri = '' } = found.serverMetadata()
    const config = new Configuration(
      { issuer, jwks_uri, token_endpoint: `${issuer}/token` },
      audience,
      { id_token_signed_response_alg: alg },
      None(),
    )
    config[customFetch] = fetch
    enableNonRepudiationChecks(config)
    const grant = () => genericGrantRequest(config, 'urn:example:hand-over', {})
    const claims = (await grant()).claims()
    expect(claims).toMatchObject({ iss: issuer, sub: 'spiffe://example.org/web' })
    token = `${token.slice(0, -8)}AAAAAAAA`
    const broken = { message: expect.stringContaining('signature') }
    await expect(grant()).rejects.toMatchObject({ cause: broken })
  })
})

async function workloadToken(server: RunningServer): Promise<string> {
  const agent = await startAgent(server)
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const parent = SpiffeId.parse(await agentIdOf(server))
  const selectors = [`unix:uid:${process.getuid?.()}`]
  const { results } = await entries.unary('BatchCreateEntry', {
    entries: [wireEntry({ path: '/web', parent, selectors })],
  })
  expect(results[0]?.status?.code).toBe(0)
  const api = openWorkloadApi({ kind: 'unix', path: agent.socket })
  try {
    const ask = () =>
      api.rpc.unary('FetchJWTSVID', { audience: [audience] }, { metadata: api.metadata })
    await expect.poll(async () => (await ask().catch(() => undefined))?.svids.length).toBe(1)
    return (await ask()).svids[0]?.svid ?? ''
  } finally {
    api.close()
    await agent.stop()
  }
}

test('the documents may be kept for a while, and are asked for again by their tag', async () => {
  const { port } = await start({})
  for (const path of [discoveryPath, keysPath]) {
    const first = await get(port, path)
    expect(first.status).toBe(200)
    expect(first.headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'cache-control': 'public, max-age=300, must-revalidate',
      'x-content-type-options': 'nosniff',
    })
    const tag = first.headers.etag ?? ''
    const again = await get(port, path, { headers: { 'if-none-match': tag } })
    expect([again.status, again.body]).toEqual([304, ''])
  }
  const { keys } = JSON.parse((await get(port, keysPath)).body) as { keys: object[] }
  expect(keys).toEqual([
    {
      kid: expect.any(String),
      use: 'sig',
      alg: 'ES256',
      kty: 'EC',
      crv: 'P-256',
      x: expect.any(String),
      y: expect.any(String),
    },
  ])
})

test('RS256 beside ES256: both are named, and both keys are there', async () => {
  const { port } = await start({}, { jwtRs256Audiences: [audience] })
  const document = JSON.parse((await get(port, discoveryPath)).body)
  expect(document.id_token_signing_alg_values_supported).toEqual(
    expect.arrayContaining(['RS256', 'ES256']),
  )
  const { keys } = JSON.parse((await get(port, keysPath)).body) as { keys: { alg: string }[] }
  expect(keys.map(({ alg }) => alg).sort()).toEqual(['ES256', 'RS256'])
})

test('another host, another path and another method get nothing', async () => {
  const { port } = await start({})
  const status = async (path: string, options: RequestOptions = {}) =>
    (await get(port, path, options)).status
  expect(await status(discoveryPath, { headers: { host: 'oidc.example.org:443' } })).toBe(200)
  expect(await status(discoveryPath, { headers: { host: 'evil.example' } })).toBe(421)
  expect(await status(discoveryPath, { headers: { host: '127.0.0.1' } })).toBe(421)
  const forwarded = { host: 'evil.example', 'x-forwarded-host': 'oidc.example.org' }
  expect(await status(discoveryPath, { headers: forwarded })).toBe(421)
  expect(await status('/.well-known/openid-configuration')).toBe(404)
  expect(await status('/workloads/../etc/passwd')).toBe(404)
  expect(await status(keysPath, { method: 'POST' })).toBe(405)
  expect(await status(keysPath, { method: 'DELETE' })).toBe(405)
  expect(await status(`/${'x'.repeat(20_000)}`)).toBe(431)
})

test('T22 a key that others may read ends the server at its start', async () => {
  chmodSync(web.key, 0o644)
  onTestFinished(() => chmodSync(web.key, 0o600))
  const folder = mkdtempSync(join(tmpdir(), 'cs-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const started = startServer({
    folder,
    overrides: {
      oidc: {
        address: { host: '127.0.0.1', port: 0 },
        issuer,
        hosts: ['oidc.example.org'],
        tls: { certificate: web.certificate, key: web.key },
      },
    },
  })
  await expect(started).rejects.toMatchObject({ reason: 'oidc-key-mode' })
})

test('behind a proxy it speaks plain HTTP', async () => {
  const { port } = await start({ tls: undefined })
  expect((await get(port, discoveryPath, { plain: true })).status).toBe(200)
})
