import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { Agent } from 'node:https'
import { connect, type TLSSocket } from 'node:tls'
import { createVerifier } from 'countersign/resource-server'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../src/testing/eventually.ts'
import { extension } from '../../src/x509/encode.ts'
import { askDoor, type ClientProof, doorNames } from '../support/client-doors.ts'
import {
  authorityBelow,
  badIds,
  type ClientWorld,
  hourMs,
  identity,
  startClientWorld,
  today,
  web,
} from '../support/client-world.ts'
import { ask, issuer, orders } from '../support/oauth.ts'
import { reasonOf } from '../support/reason-of.ts'
import { mint, type TestIdentity } from '../support/running-server.ts'
import { shownBy } from '../support/shown.ts'
import { certify, party, root } from '../support/x509-fixtures.ts'

let world: ClientWorld

beforeAll(async () => {
  world = await startClientWorld()
})

afterAll(() => world?.stop())

test('T30 at every door a client is known by an X.509-SVID, also below an authority between', async () => {
  await world.letInEverywhere({ identity: await identity(world.own) })
  await world.letInEverywhere({ identity: await mint(world.server, '/web') })
  const middle = await authorityBelow(world.own)
  await world.letInEverywhere({ identity: await identity(middle, {}, [middle]) })
})

const ended = {
  notBefore: new Date(Date.now() - 2 * hourMs),
  notAfter: new Date(Date.now() - 1000),
}

const certificates: readonly (readonly [string, string, () => Promise<TestIdentity>])[] = [
  ['two URIs', 'svid-uri-count', () => identity(world.own, { uris: [web, `${web}2`] })],
  ['its URI twice', 'svid-uri-count', () => identity(world.own, { uris: [web, web] })],
  [
    'no URI',
    'svid-uri-count',
    () => identity(world.own, { uris: [], dnsNames: ['web.example.org'] }),
  ],
  ...badIds.map(
    (id) => [`the URI ${id}`, 'svid-id', () => identity(world.own, { uris: [id] })] as const,
  ),
  [
    'the CA bit',
    'svid-leaf-is-ca',
    () => identity(world.own, { ca: true, usage: ['digitalSignature'] }),
  ],
  [
    'the right to sign certificates',
    'svid-key-usage',
    () => identity(world.own, { usage: ['digitalSignature', 'keyCertSign'] }),
  ],
  [
    'a key that does not sign',
    'svid-key-usage',
    () => identity(world.own, { usage: ['keyAgreement'] }),
  ],
  ['nothing said of its key', 'svid-key-usage', () => identity(world.own, { usage: null })],
  ['an end of before', 'svid-chain-expired', () => identity(world.own, ended)],
  [
    'a beginning to come',
    'svid-chain-not-yet-valid',
    () => identity(world.own, { notBefore: new Date(Date.now() + hourMs / 2) }),
  ],
  [
    'an authority between that has ended',
    'svid-chain-expired',
    async () => {
      const middle = await authorityBelow(world.own, ended)
      return identity(middle, {}, [middle])
    },
  ],
  [
    'an authority between that is not shown',
    'svid-chain-unknown-authority',
    async () => identity(await authorityBelow(world.own)),
  ],
  [
    'a workload for its authority',
    'svid-chain-not-a-ca',
    async () => {
      const middle = await certify(await party('leaf'), world.own, { uris: [web], ...today })
      return identity(middle, {}, [middle])
    },
  ],
  [
    'the authority of another trust domain',
    'svid-chain-unknown-authority',
    () => identity(world.theirs, {}, [world.theirs]),
  ],
  [
    'a trust domain that is not known',
    'svid-no-bundle',
    () => identity(world.own, { uris: ['spiffe://c.example/web'] }),
  ],
]

describe('T30 at no door a client is known by a certificate with', () => {
  test.for(certificates)('%s (%s)', async ([, reason, made]) => {
    await world.refusedEverywhere({ identity: await made() }, reason)
  })
})

test('RFC 8705 a token lives no longer than any certificate of the chain that bought it', async () => {
  const soon = new Date((Math.floor(Date.now() / 1000) + 30) * 1000)
  const middle = await authorityBelow(world.own, { notAfter: soon })
  const { text } = await askDoor(
    'token',
    { identity: await identity(middle, {}, [middle]) },
    { port: world.port, web: world.certificate, from: '127.0.0.5' },
  )
  expect(decodeJwt((JSON.parse(text) as Token).access_token).exp).toBe(soon.getTime() / 1000)
})

test('T30 what is too large is refused before it is read: chains, assertions, bodies, headers', async () => {
  const chain = await identity(
    world.own,
    {},
    Array.from({ length: 10 }, () => world.own),
  )
  const large = world.assertion({ claims: { filler: 'x'.repeat(40_000) } })
  const from = '127.0.0.3'
  for (const door of doorNames) {
    const show = (proof: ClientProof) =>
      askDoor(door, proof, { port: world.port, web: world.certificate, from })
    await expect(show({ identity: chain })).rejects.toMatchObject({ code: 'ECONNRESET' })
    const { status } = await show({ assertion: large })
    expect([door, status]).toEqual([
      door,
      ['feed', 'acknowledge', 'events'].includes(door) ? 431 : 413,
    ])
  }
})

test('T12 of certificates that nobody vouches for 1 MiB is held, and the oldest connections give way', async () => {
  const stranger = await root('stranger', today)
  const filling = extension('1.3.6.1.4.1.99999.1', Buffer.alloc(30_000))
  const unknown = await identity(stranger, { extra: [filling] })
  const open = async (shown: TestIdentity) => {
    const socket = connect({ port: world.port, rejectUnauthorized: false, ...shownBy(shown) })
    onTestFinished(() => void socket.destroy())
    socket.on('error', () => {})
    // An answer, since with TLS 1.3 a client is through before it is looked at.
    socket.write('GET /oauth/jwks HTTP/1.1\r\nhost: as.example.org\r\n\r\n')
    await once(socket, 'data')
    return socket.resume()
  }
  const known = await open(await identity(world.own))
  const others: TLSSocket[] = []
  for (let n = 0; n < 40; n += 1) others.push(await open(unknown))
  // Each has shown some 30.4 KB.
  await expect.poll(() => others.filter(({ destroyed }) => destroyed).length).toBe(6)
  expect([known, ...others.slice(6)].every(({ destroyed }) => !destroyed)).toBe(true)
})

test('T30 a connection keeps the certificate that it began with: its tokens are for that alone, and with it both end', async () => {
  // Time for three tokens, and for what a service says of them, on a machine that is busy.
  const soon = new Date((Math.floor(Date.now() / 1000) + 10) * 1000)
  const atService = verifier()
  const [before, after] = [await identity(world.own, { notAfter: soon }), await identity(world.own)]
  await using closing = new AsyncDisposableStack()
  const over = (shown: TestIdentity) => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    closing.defer(() => agent.destroy())
    const asking = { port: world.port, web: world.certificate, from: '127.0.0.4', agent }
    return () => askDoor('token', { identity: shown }, asking)
  }
  const [old, renewed] = [over(before), over(after)]
  const bound = async (call: typeof old) => (JSON.parse((await call()).text) as Token).access_token
  const shown = [
    [await bound(old), before.chain],
    [await bound(renewed), after.chain],
    [await bound(old), before.chain],
  ] as const
  for (const [token, [leaf = Buffer.alloc(0)]] of shown) {
    const thumbprint = createHash('sha256').update(leaf).digest('base64url')
    expect(decodeJwt(token)['cnf']).toEqual({ 'x5t#S256': thumbprint })
    expect(decodeJwt(token).exp).toBeLessThanOrEqual(
      leaf === before.chain[0] ? soon.getTime() / 1000 : 1e10,
    )
    for (const [certificate] of [before.chain, after.chain]) {
      const verdict = await reasonOf(atService.verify(token, { certificate }))
      expect(verdict).toBe(certificate === leaf ? 'accepted' : 'token-binding')
    }
  }
  await eventually(async () => (await old()).status !== 200)
  expect(await old()).toMatchObject({ status: 401, error: 'invalid_client' })
  expect((await renewed()).status).toBe(200)
  // Each went on over the connection that it had.
  const record = readFileSync(world.server.config.auditFile, 'utf8')
  expect(new Set(record.match(/"127\.0\.0\.4:\d+"/g)).size).toBe(2)
})

interface Token {
  readonly access_token: string
}

function verifier() {
  const jwks = async () => (await ask(world.port, world.certificate, '/oauth/jwks')).body
  return createVerifier({ issuer, audience: orders, jwks })
}
