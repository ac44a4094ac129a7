import { X509Certificate } from 'node:crypto'
import { connect } from 'node:tls'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient } from '../../../src/rpc/client.ts'
import { dialUnix } from '../../../src/rpc/dial.ts'
import { protoFiles, type ServiceName, serviceDefinition } from '../../../src/rpc/services.ts'
import { parseCertificate } from '../../../src/x509/certificate.ts'
import { reasonOf } from '../../support/reason-of.ts'
import {
  mint,
  type RunningServer,
  someAgent,
  startServer,
  wireEntry,
} from '../../support/running-server.ts'

// What a server does that nobody has configured further.
let server: RunningServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(() => server.remove())

const bundle = () => server.admin('spire.api.server.bundle.v1.Bundle').unary('GetBundle', {})

async function mintJwt(path: string, audience = ['db']): Promise<string> {
  const { svid } = await server.admin('spire.api.server.svid.v1.SVID').unary('MintJWTSVID', {
    id: { trust_domain: 'example.org', path },
    audience,
  })
  return svid?.token ?? ''
}

test('ID-17 an ID of 2048 bytes is registered, listed, minted both ways and deleted', async () => {
  const path = `/${'a'.repeat(2048 - 'spiffe://example.org/'.length)}`
  const id = `spiffe://example.org${path}`
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const created = await entries.unary('BatchCreateEntry', {
    entries: [wireEntry({ path, parent: someAgent })],
  })
  const [made] = created.results
  const listed = await entries.unary('ListEntries', {})
  expect(listed.entries.map(({ spiffe_id }) => spiffe_id?.path)).toEqual([path])
  const { chain } = await mint(server, path)
  expect(parseCertificate(chain[0] ?? Buffer.alloc(0)).uris).toEqual([id])
  expect(decodeJwt(await mintJwt(path)).sub).toBe(id)
  const gone = await entries.unary('BatchDeleteEntry', { ids: [made?.entry?.id ?? ''] })
  expect(gone.results[0]?.status).toMatchObject({ code: 0 })
})

test('ID-18 an ID of 2049 bytes is neither registered nor minted', async () => {
  const path = `/${'a'.repeat(2049 - 'spiffe://example.org/'.length)}`
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', { entries: [wireEntry({ path, parent: someAgent })] })
  expect(results[0]?.status).toMatchObject({ code: 3 })
  expect(await reasonOf(mintJwt(path))).toBe('spiffe-id-too-long')
})

test('X509-32 the authorities that are published are self-signed', async () => {
  const { x509_authorities } = await bundle()
  expect(x509_authorities.length).toBeGreaterThan(0)
  for (const { asn1 } of x509_authorities) {
    const certificate = new X509Certificate(asn1)
    expect(certificate.verify(certificate.publicKey)).toBe(true)
  }
})

test('X509-12 a server shows a leaf with a path, and not its authority', async () => {
  const [host = '', port] = server.address.split(':')
  const options = { host, port: Number(port), rejectUnauthorized: false, ALPNProtocols: ['h2'] }
  const shown = await new Promise<X509Certificate | undefined>((resolve, reject) => {
    const socket = connect(options, () => {
      resolve(socket.getPeerX509Certificate())
      socket.destroy()
    }).once('error', reject)
  })
  expect(shown?.subjectAltName).toContain('URI:spiffe://example.org/spire/server')
  expect(shown?.ca).toBe(false)
})

test('JWT-12 a JWT-SVID that would be for nobody is not minted', async () => {
  expect(await reasonOf(mintJwt('/web', []))).toBe('svid-audience')
  expect(await reasonOf(mintJwt('/web', ['']))).toBe('svid-audience')
})

test('JWT-19 a JWT-SVID lives five minutes', async () => {
  const { iat = 0, exp = 0 } = decodeJwt(await mintJwt('/web'))
  expect(exp - iat).toBe(300)
})

test('TDB-04 TDB-07 the own bundle has a sequence and a refresh hint', async () => {
  const { sequence_number, refresh_hint } = await bundle()
  expect(Number(sequence_number)).toBeGreaterThan(0)
  expect(Number(refresh_hint)).toBe(300)
})

const witCalls = (Object.keys(protoFiles) as ServiceName[])
  .filter((service) => service.startsWith('spire.api.server.'))
  .flatMap((service) =>
    Object.keys(serviceDefinition(service))
      .filter((rpc) => /WIT/.test(rpc))
      .map((rpc) => [service, rpc] as const),
  )

test('whoever may make a call for WIT-SVIDs hears that it is unimplemented', async () => {
  expect(witCalls.length).toBeGreaterThan(3)
  const agent = await server.joinAgent()
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
    entries: [wireEntry({ path: '/nested', parent: agent.id, downstream: true })],
  })
  const admin = dialUnix(server.config.adminSocket)
  const callers = [admin, server.dial(agent), server.dial(await mint(server, '/nested'))]
  for (const [service, rpc] of witCalls) {
    const reasons = await Promise.all(
      callers.map((channel) =>
        reasonOf(createClient(service, channel).unary(rpc as never, {} as never)),
      ),
    )
    const others = reasons.filter((reason) => reason !== 'rpc-unimplemented')
    expect(others.length, `${service}/${rpc}`).toBeLessThan(callers.length)
    expect(new Set([...others, 'access-denied'])).toEqual(new Set(['access-denied']))
  }
  admin.close()
})
