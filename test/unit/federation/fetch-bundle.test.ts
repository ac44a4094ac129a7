import { createPrivateKey } from 'node:crypto'
import { readFileSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { inspect } from 'node:util'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Bundle } from '../../../src/bundle/bundle.ts'
import { writeBundleDocument } from '../../../src/bundle/document.ts'
import { type FetchBundleOptions, fetchBundle } from '../../../src/federation/fetch-bundle.ts'
import { parseNetworks } from '../../../src/federation/networks.ts'
import type { TlsIdentity } from '../../../src/mtls/context.ts'
import { SpiffeId, TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { fromPem } from '../../../src/x509/pem.ts'
import { startEndpoint, type TestEndpoint } from '../../support/https-endpoint.ts'
import { reasonOf } from '../../support/reason-of.ts'
import { type WebCertificate, webCertificate } from '../../support/web-certificate.ts'
import { bundleOf, type Made, NOW, root, sourceOf } from '../../support/x509-fixtures.ts'
import { identity } from '../mtls/identities.ts'

const trustDomain = TrustDomain.parse('partner.test')
const endpointId = SpiffeId.parse('spiffe://partner.test/spire/server')
const host = 'bundle.partner.test'
const allowedNetworks = parseNetworks(['127.0.0.1'])
const secret = 'WHAT-ONLY-THE-INSIDE-KNOWS'

let web: WebCertificate
let webIdentity: TlsIdentity
let authority: Made
let bundle: Bundle

beforeAll(async () => {
  web = await webCertificate(host)
  webIdentity = {
    chain: fromPem(readFileSync(web.certificate, 'utf8')).map(({ der }) => der),
    privateKey: createPrivateKey(readFileSync(web.key)).export({ format: 'der', type: 'pkcs8' }),
  }
  authority = await root('partner.test')
  bundle = { ...bundleOf('partner.test', authority), sequence: 7n, refreshHintSeconds: 60 }
})

afterAll(() => rmSync(web.folder, { recursive: true, force: true }))

const serveBundle: RequestListener = (_, response) => {
  response.setHeader('content-type', 'application/json')
  response.end(writeBundleDocument(bundle))
}

function saying(text: string): RequestListener {
  return (_, response) => response.end(text)
}

function webEndpoint(answer: RequestListener): Promise<TestEndpoint> {
  return startEndpoint(webIdentity, answer)
}

function fetchWeb(endpoint: TestEndpoint, options: Partial<FetchBundleOptions> = {}) {
  return fetchBundle({
    trustDomain,
    url: `https://${host}:${endpoint.port}/bundle?of=all`,
    profile: { type: 'https_web', ca: [readFileSync(web.ca, 'utf8')] },
    allowedNetworks,
    lookup: async () => ['127.0.0.1'],
    ...options,
  })
}

function fetchSpiffe(endpoint: TestEndpoint, options: Partial<FetchBundleOptions> = {}) {
  return fetchBundle({
    trustDomain,
    url: `https://127.0.0.1:${endpoint.port}/`,
    profile: { type: 'https_spiffe', endpointId, bundles: sourceOf(bundle) },
    allowedNetworks,
    clock: new FakeClock(NOW),
    ...options,
  })
}

describe('https_web', () => {
  test('FED-08 FED-12 FED-13 FED-20 a bundle is fetched by URL, profile and trust domain alone', async () => {
    const endpoint = await webEndpoint(serveBundle)
    expect(await fetchWeb(endpoint)).toEqual(bundle)
    const [request] = endpoint.requests
    expect([request?.method, request?.url]).toEqual(['GET', '/bundle?of=all'])
    expect(request?.headers).toMatchObject({
      host: `${host}:${endpoint.port}`,
      accept: 'application/json',
    })
    expect(request?.headers['accept-encoding']).toBeUndefined()
  })

  test('FED-19 a host with another name, and a CA that nobody trusts, are refused', async () => {
    const endpoint = await webEndpoint(serveBundle)
    const url = `https://other.partner.test:${endpoint.port}/`
    expect(await reasonOf(fetchWeb(endpoint, { url }))).toBe('federation-certificate')
    const address = `https://127.0.0.1:${endpoint.port}/`
    expect(await reasonOf(fetchWeb(endpoint, { url: address }))).toBe('federation-certificate')
    expect(await reasonOf(fetchWeb(endpoint, { profile: { type: 'https_web' } }))).toBe(
      'federation-certificate',
    )
    expect(endpoint.requests).toEqual([])
  })

  test('FED-10 an SVID does not stand in for a certificate of the Web PKI', async () => {
    const endpoint = await startEndpoint(await identity(authority, endpointId), serveBundle)
    expect(await reasonOf(fetchWeb(endpoint))).toBe('federation-certificate')
    expect(endpoint.requests).toEqual([])
  })
})

describe('https_spiffe', () => {
  test('FED-29 the endpoint is known by its SVID, whatever its name or address', async () => {
    const endpoint = await startEndpoint(await identity(authority, endpointId), serveBundle)
    expect(await fetchSpiffe(endpoint)).toEqual(bundle)
    const named = { url: `https://any.test:${endpoint.port}`, lookup: async () => ['127.0.0.1'] }
    expect(await fetchSpiffe(endpoint, named)).toEqual(bundle)
  })

  test('T9 another ID of the same trust domain is refused', async () => {
    const other = await identity(authority, 'spiffe://partner.test/workload')
    const endpoint = await startEndpoint(other, serveBundle)
    expect(await reasonOf(fetchSpiffe(endpoint))).toBe('federation-endpoint-id')
    expect(endpoint.requests).toEqual([])
  })

  test('T9 a certificate of the Web PKI, or by a CA of another trust domain, is refused', async () => {
    const foreign = await root('partner.test')
    const endpoint = await startEndpoint(await identity(foreign, endpointId), serveBundle)
    expect(await reasonOf(fetchSpiffe(endpoint))).toMatch(/^svid-chain-/)
    const bundles = sourceOf(bundleOf('other.test', foreign))
    const profile = { type: 'https_spiffe', endpointId, bundles } as const
    expect(await reasonOf(fetchSpiffe(endpoint, { profile }))).toBe('svid-no-bundle')
    endpoint.become(webIdentity)
    expect(await reasonOf(fetchSpiffe(endpoint))).toBe('svid-uri-count')
    expect(endpoint.requests).toEqual([])
  })

  test('FED-30 the bundle that is held by then authenticates the next connection', async () => {
    const next = await root('partner.test')
    const endpoint = await startEndpoint(await identity(authority, endpointId), serveBundle)
    let held = bundleOf('partner.test', authority, next)
    const profile = {
      type: 'https_spiffe',
      endpointId,
      bundles: { bundleOf: () => held },
    } as const
    await fetchSpiffe(endpoint, { profile })
    endpoint.become(await identity(next, endpointId))
    expect(await fetchSpiffe(endpoint, { profile })).toEqual(bundle)
    held = bundleOf('partner.test', authority)
    expect(await reasonOf(fetchSpiffe(endpoint, { profile }))).toMatch(/^svid-chain-/)
  })
})

test('FED-27 FED-31 an endpoint of another trust domain is checked by the bundle that it has by then', async () => {
  const hub = TrustDomain.parse('hub.test')
  const hubId = SpiffeId.parse('spiffe://hub.test/bundles')
  const [old, next] = [await root('hub.test'), await root('hub.test')]
  const endpoint = await startEndpoint(await identity(old, hubId), serveBundle)
  let held = bundleOf('hub.test', old)
  const profile = {
    type: 'https_spiffe',
    endpointId: hubId,
    bundles: { bundleOf: (name: TrustDomain) => (name === hub ? held : bundle) },
  } as const
  expect(await fetchSpiffe(endpoint, { profile })).toEqual(bundle)
  endpoint.become(await identity(next, hubId))
  expect(await reasonOf(fetchSpiffe(endpoint, { profile }))).toMatch(/^svid-chain-/)
  held = bundleOf('hub.test', next)
  expect(await fetchSpiffe(endpoint, { profile })).toEqual(bundle)
  // The bundle that is fetched says nothing of who serves it.
  endpoint.become(await identity(authority, hubId))
  expect(await reasonOf(fetchSpiffe(endpoint, { profile }))).toMatch(/^svid-chain-/)
})

describe('T8 the URL leads nowhere else', () => {
  test.each([301, 302, 303, 307, 308])('FED-38 by a redirect with status %d', async (status) => {
    const target = await webEndpoint(serveBundle)
    const endpoint = await webEndpoint((_, response) => {
      response.writeHead(status, { location: `https://${host}:${target.port}/${secret}` })
      response.end()
    })
    expect(await reasonOf(fetchWeb(endpoint))).toBe('federation-redirect')
    expect(target.connections).toEqual([])
  })

  test('FED-24 by another scheme or with user info, whatever the profile', async () => {
    const endpoint = await webEndpoint(serveBundle)
    for (const url of [
      `http://${host}:${endpoint.port}/`,
      'file:///etc/passwd',
      `https://user@${host}:${endpoint.port}/`,
      `https://:${secret}@${host}:${endpoint.port}/`,
      'https:',
      `https://${host}/${'a'.repeat(3000)}`,
    ]) {
      expect(await reasonOf(fetchWeb(endpoint, { url })), url).toBe('federation-url')
      expect(await reasonOf(fetchSpiffe(endpoint, { url })), url).toBe('federation-url')
    }
    expect(endpoint.connections).toEqual([])
  })

  test.each([
    '127.0.0.1',
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '127.1',
    '127.0.0.1.',
    '0.0.0.0',
    '0',
    '[::]',
    '[::1]',
    '[::ffff:127.0.0.1]',
    '[::ffff:7f00:1]',
    '[::127.0.0.1]',
    'localhost',
  ])('by way of %s', async (address) => {
    const endpoint = await webEndpoint(serveBundle)
    const url = `https://${address}:${endpoint.port}/`
    const profile = { type: 'https_web' } as const
    expect(await reasonOf(fetchBundle({ trustDomain, url, profile }))).toBe('federation-address')
    expect(endpoint.connections).toEqual([])
  })

  test('by a name that is given a private address', async () => {
    const endpoint = await webEndpoint(serveBundle)
    for (const address of ['127.0.0.2', '::1', '10.0.0.1', '169.254.169.254', 'fe80::1%lo']) {
      expect(await reasonOf(fetchWeb(endpoint, { lookup: async () => [address] })), address).toBe(
        'federation-address',
      )
    }
    expect(endpoint.connections).toEqual([])
  })

  test('by an answer of DNS that changes: a name is resolved once, and that address connected to', async () => {
    const endpoint = await webEndpoint(serveBundle)
    const answers = [['127.0.0.1'], ['169.254.169.254'], ['169.254.169.254']]
    let asked = 0
    const lookup = async (): Promise<readonly string[]> => answers[asked++] ?? []
    expect(await fetchWeb(endpoint, { lookup })).toEqual(bundle)
    expect([asked, endpoint.connections.length]).toEqual([1, 1])
  })

  test('by an address beside one that is allowed', async () => {
    const endpoint = await webEndpoint(serveBundle)
    const lookup = async () => ['127.0.0.2', '127.0.0.1', '127.0.0.3']
    expect(await fetchWeb(endpoint, { lookup })).toEqual(bundle)
    expect(endpoint.connections).toEqual([expect.stringMatching(/(^|:)127\.0\.0\.1$/)])
  })

  test('by a port that is not allowed', async () => {
    const endpoint = await webEndpoint(serveBundle)
    expect(await reasonOf(fetchWeb(endpoint, { allowedPorts: [443] }))).toBe('federation-port')
    expect(endpoint.connections).toEqual([])
    expect(await fetchWeb(endpoint, { allowedPorts: [443, endpoint.port] })).toEqual(bundle)
  })
})

describe('T8 what answers cannot', () => {
  test('keep the caller waiting, before, within or after the head', async () => {
    const silent: RequestListener[] = [
      () => {},
      (_, response) => void response.writeHead(200),
      (_, response) => void response.writeHead(200).write('{"keys":'),
    ]
    for (const answer of silent) {
      const clock = new FakeClock()
      const asked = Promise.withResolvers<void>()
      const endpoint = await webEndpoint((request, response) => {
        answer(request, response)
        asked.resolve()
      })
      const fetched = reasonOf(fetchWeb(endpoint, { clock }))
      await asked.promise
      await clock.advance(9_999)
      expect(clock.sleeping).toBe(1)
      await clock.advance(1)
      expect(await fetched).toBe('federation-timeout')
    }
  })

  test('FED-39 send without end, in the body or the head', async () => {
    const body = await webEndpoint((_, response) => {
      const more = (): void => void response.write('x'.repeat(65_536), more)
      more()
    })
    expect(await reasonOf(fetchWeb(body))).toBe('bundle-too-large')
    const announced = await webEndpoint((_, response) => {
      response.writeHead(200, { 'content-length': 1 << 21 }).write('{')
    })
    expect(await reasonOf(fetchWeb(announced))).toBe('bundle-too-large')
    const head = await webEndpoint((_, response) => {
      response.socket?.write(`HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}`)
    })
    expect(await reasonOf(fetchWeb(head))).toBe('federation-http')
  })

  test('FED-39 get a word of theirs into an error, whatever the status', async () => {
    const answers: readonly (readonly [string, RequestListener])[] = [
      ['federation-status', (_, response) => response.writeHead(404).end(secret)],
      ['federation-status', (_, response) => response.writeHead(201).end(secret)],
      ['federation-redirect', (_, response) => response.writeHead(302, { location: secret }).end()],
      ['bundle-malformed', saying(secret)],
      ['bundle-malformed', saying(`{"keys": "${secret}`)],
      ['bundle-malformed', (_, response) => response.end(Buffer.from(`${secret}\xff`, 'latin1'))],
      ['bundle-keys-missing', saying(`{"${secret}": 1}`)],
      ['bundle-malformed', saying(`{"${secret}": 1, "${secret}": 2}`)],
      ['bundle-sequence', saying(`{"keys": [], "spiffe_sequence": "${secret}"}`)],
      [
        'federation-encoding',
        (_, response) => {
          response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(secret))
        },
      ],
      ['federation-http', (_, response) => void response.socket?.end(`${secret}\r\n\r\n`)],
      [
        'federation-http',
        (_, response) => {
          response.writeHead(200, { 'content-length': 1000 }).write(secret)
          response.socket?.end()
        },
      ],
    ]
    for (const [reason, answer] of answers) {
      const endpoint = await webEndpoint(answer)
      const error = await fetchWeb(endpoint).catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ reason })
      expect(inspect(error, { depth: 20, showHidden: true })).not.toContain(secret)
    }
  })
})

describe('T9 the bundle that is held stays', () => {
  const fetchOver = async (document: string, held: Bundle | undefined) =>
    fetchSpiffe(await startEndpoint(await identity(authority, endpointId), saying(document)), {
      held,
    })

  test('FED-05 against an older one; the same sequence or a later one may take its place', async () => {
    const document = writeBundleDocument(bundle)
    for (const [held, reason] of [
      [8n, 'federation-sequence'],
      [7n, 'accepted'],
      [6n, 'accepted'],
    ] as const) {
      const fetched = fetchOver(document, { ...bundle, sequence: held })
      expect(await reasonOf(fetched)).toBe(reason)
    }
    const unnumbered = writeBundleDocument({ ...bundle, sequence: 0n })
    expect(await reasonOf(fetchOver(unnumbered, bundle))).toBe('federation-sequence')
    expect(await reasonOf(fetchOver(unnumbered, { ...bundle, sequence: 0n }))).toBe('accepted')
  })

  test('against one without a key, or without one that can be read', async () => {
    for (const keys of ['[]', '[{"kty":"LWE","use":"x509-svid"}]']) {
      const document = `{"keys":${keys},"spiffe_sequence":8}`
      expect(await reasonOf(fetchOver(document, bundle))).toBe('federation-empty')
      expect(await reasonOf(fetchOver(document, undefined))).toBe('accepted')
    }
  })

  test('against one that was cut short, or holds a key ID twice', async () => {
    const document = writeBundleDocument(bundle)
    expect(await reasonOf(fetchOver(document.slice(0, -9), bundle))).toBe('bundle-malformed')
    const [a, b] = [await root('a'), await root('b')]
    const jwtAuthorities = [a, b].map(({ certificate }) => ({
      keyId: 'same',
      publicKey: certificate.spki,
      expiresAt: undefined,
      tainted: false,
    }))
    const twice = writeBundleDocument({ ...bundle, jwtAuthorities })
    expect(await reasonOf(fetchOver(twice, bundle))).toBe('bundle-key-id')
  })
})

test('whoever asked can stop it, and the connection ends', async () => {
  const asked = Promise.withResolvers<void>()
  const closed = Promise.withResolvers<void>()
  const endpoint = await webEndpoint((request) => {
    request.socket.once('close', () => closed.resolve())
    asked.resolve()
  })
  const stop = new AbortController()
  const fetched = fetchWeb(endpoint, { signal: stop.signal })
  await asked.promise
  stop.abort(new Error('enough'))
  await expect(fetched).rejects.toThrow('enough')
  await closed.promise
  await expect(fetchWeb(endpoint, { signal: stop.signal })).rejects.toThrow('enough')
})

test('an endpoint that nobody listens at, and a name that nobody knows, are unavailable', async () => {
  const endpoint = await webEndpoint(serveBundle)
  const nobody = `https://${host}:1/`
  expect(await reasonOf(fetchWeb(endpoint, { url: nobody }))).toBe('federation-unreachable')
  const lookup = () => Promise.reject(new Error('ENOTFOUND'))
  expect(await reasonOf(fetchWeb(endpoint, { lookup }))).toBe('federation-name')
})
