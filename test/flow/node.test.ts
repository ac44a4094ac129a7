import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../../src/rpc/client.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { createCsr } from '../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner } from '../../src/x509/key.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import { reasonOf } from '../support/reason-of.ts'
import {
  attest,
  patient,
  type RunningServer,
  startServer,
  type TestIdentity,
  wireEntry,
} from '../support/running-server.ts'

let server: RunningServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(() => server.remove())

const agentService = 'spire.api.server.agent.v1.Agent'
const svidService = 'spire.api.server.svid.v1.SVID'

function wireId(identity: TestIdentity) {
  return { trust_domain: 'example.org', path: identity.id.slice('spiffe://example.org'.length) }
}

async function newToken(ttl = 60): Promise<string> {
  return (await server.admin(agentService).unary('CreateJoinToken', { ttl })).value
}

async function freshCsr(): Promise<{ csr: Buffer; privateKey: Buffer }> {
  const { privateKey } = await generateKeyPair('ec-p256')
  return {
    csr: await createCsr(softwareSigner(privateKey)),
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }),
  }
}

describe('join tokens', () => {
  test('T17 a token that is unknown or too long is refused alike', async () => {
    expect(await reasonOf(attest(server.dial(), 'a'.repeat(32)))).toBe('join-token-refused')
    expect(await reasonOf(attest(server.dial(), 'a'.repeat(3000)))).toBe('join-token-refused')
  })

  test('a refused request leaves the token good', async () => {
    const token = await newToken()
    const call = createClient(agentService, server.dial()).bidi('AttestAgent')
    call.send({
      params: {
        data: { type: 'join_token', payload: Buffer.from(token) },
        params: { csr: Buffer.from('not a csr') },
      },
    })
    const refused = (async () => {
      for await (const _ of call.responses) return
    })()
    expect(await reasonOf(refused)).toMatch(/^csr-/)
    expect((await attest(server.dial(), token)).id).toContain('/spire/agent/join_token/')
  })

  test('the agent ID tells nothing of the token', async () => {
    const token = await newToken()
    expect((await attest(server.dial(), token)).id).not.toContain(token)
  })

  test('an attestor that is not configured is refused by name', async () => {
    const { csr } = await freshCsr()
    const call = createClient(agentService, server.dial()).bidi('AttestAgent')
    call.send({ params: { data: { type: 'magic', payload: Buffer.alloc(1) }, params: { csr } } })
    const refused = (async () => {
      for await (const _ of call.responses) return
    })()
    expect(await reasonOf(refused)).toBe('node-attestor-unknown')
  })
})

describe('renewal', () => {
  test('a renewed SVID is pending until first used; then the old one counts no more', async () => {
    const agent = await server.joinAgent()
    const { csr, privateKey } = await freshCsr()
    const old = server.dial(agent)
    const { svid } = await createClient(agentService, old).unary('RenewAgent', { params: { csr } })
    const renewed: TestIdentity = { ...agent, chain: svid?.cert_chain ?? [], privateKey }
    const status = { current_bundle_serial: 0, agent_version: 'test' }
    expect(await reasonOf(createClient(agentService, old).unary('PostStatus', status))).toBe(
      'accepted',
    )
    const fresh = createClient(agentService, server.dial(renewed))
    expect(await reasonOf(fresh.unary('PostStatus', status))).toBe('accepted')
    expect(await reasonOf(createClient(agentService, old).unary('PostStatus', status))).toBe(
      'agent-not-active',
    )
    const shown = await server.admin(agentService).unary('GetAgent', { id: wireId(agent) })
    expect(shown.x509svid_serial_number).toBe(parseCertificate(renewed.chain[0] as Buffer).serial)
    expect(shown.agent_version).toBe('test')
  })

  test('an agent renews itself and nobody else: the ID comes from its own SVID', async () => {
    const agent = await server.joinAgent()
    const other = await server.joinAgent()
    const { privateKey } = await generateKeyPair('ec-p256')
    const csr = await createCsr(softwareSigner(privateKey), { spiffeId: other.id })
    const { svid } = await createClient(agentService, server.dial(agent)).unary('RenewAgent', {
      params: { csr },
    })
    expect(parseCertificate(svid?.cert_chain[0] as Buffer).uris).toEqual([agent.id])
  })
})

describe('ban and evict', () => {
  test('T26 a ban cuts the open stream of the agent at once and refuses what follows', () =>
    cutsAtOnce('BanAgent', 'agent-banned'))

  test('T26 an eviction cuts the open stream of the agent at once and refuses what follows', () =>
    cutsAtOnce('DeleteAgent', 'agent-not-attested'))

  async function cutsAtOnce(rpc: 'BanAgent' | 'DeleteAgent', reason: string): Promise<void> {
    const agent = await server.joinAgent()
    const channel = server.dial(agent)
    const follow = createClient('countersign.sync.v1.Sync', channel).bidi('Follow')
    follow.send({ log_id: '', applied: 0 })
    const messages = follow.responses[Symbol.asyncIterator]()
    expect((await messages.next()).done).toBe(false)
    const cut = reasonOf(
      (async () => {
        while ((await messages.next()).done !== true);
      })(),
    )
    const startedMs = performance.now()
    await server.admin(agentService).unary(rpc, { id: wireId(agent) })
    expect(await cut).toBe(reason)
    expect(performance.now() - startedMs).toBeLessThan(PROMPT_MS)
    const { csr } = await freshCsr()
    expect(
      await reasonOf(createClient(agentService, channel).unary('RenewAgent', { params: { csr } })),
    ).toBe(reason)
  }
})

describe('what an agent may sign', () => {
  test('T5 an agent gets SVIDs for its own entries only, whatever its request says', async () => {
    const [agent, other] = [await server.joinAgent(), await server.joinAgent()]
    const { results } = await server
      .admin('spire.api.server.entry.v1.Entry')
      .unary('BatchCreateEntry', {
        entries: [
          wireEntry({ path: '/mine', parent: agent.id }),
          wireEntry({ path: '/theirs', parent: other.id }),
        ],
      })
    const [mine, theirs] = results.map(({ entry }) => entry?.id ?? '')
    const { privateKey } = await generateKeyPair('ec-p256')
    const csr = await createCsr(softwareSigner(privateKey), { spiffeId: other.id })
    const client = createClient(svidService, server.dial(agent))
    const answer = await client.unary('BatchNewX509SVID', {
      params: [
        { entry_id: mine ?? '', csr: csr.with(-1, (csr.at(-1) ?? 0) ^ 1) },
        { entry_id: mine ?? '', csr },
        { entry_id: theirs ?? '', csr },
        { entry_id: 'no-such-entry', csr },
      ],
    })
    expect(answer.results.map(({ status }) => status?.code)).toEqual([3, 0, 5, 5])
    const leaf = parseCertificate(answer.results[1]?.svid?.cert_chain[0] as Buffer)
    expect(leaf.uris).toEqual(['spiffe://example.org/mine'])
    expect(
      await reasonOf(client.unary('NewJWTSVID', { entry_id: theirs ?? '', audience: ['a'] })),
    ).toBe('entry-not-authorised')
  })

  test('T26 a deleted entry is refused at once', async () => {
    const agent = await server.joinAgent()
    const entries = server.admin('spire.api.server.entry.v1.Entry')
    const { results } = await entries.unary('BatchCreateEntry', {
      entries: [wireEntry({ path: '/short-lived', parent: agent.id })],
    })
    const id = results[0]?.entry?.id ?? ''
    const client = createClient(svidService, server.dial(agent))
    const request = { entry_id: id, audience: ['a'] }
    expect(await reasonOf(client.unary('NewJWTSVID', request))).toBe('accepted')
    await entries.unary('BatchDeleteEntry', { ids: [id] })
    expect(await reasonOf(client.unary('NewJWTSVID', request))).toBe('entry-not-authorised')
  })

  test('T12 a request of 64 MB and one with a million audiences are refused', async () => {
    const agent = await server.joinAgent()
    const client = patient(createClient(svidService, server.dial(agent)))
    const many = { entry_id: 'x', audience: Array.from({ length: 1_000_000 }, () => 'audience') }
    await expect(client.unary('NewJWTSVID', many)).rejects.toMatchObject({ code: 'exhausted' })
    const csr = Buffer.alloc(64 << 20)
    await expect(
      client.unary('BatchNewX509SVID', { params: [{ entry_id: 'x', csr }] }),
    ).rejects.toMatchObject({ code: 'exhausted' })
  })
})

test.each(['ec-p384', 'rsa-2048', 'ed25519'] as const)(
  'a trust domain whose CA has a key of kind %s attests an agent, knows it by its SVID and signs for its workloads',
  async (keyKind) => {
    const { config } = server
    const jwtKeyKind = keyKind === 'ed25519' ? 'ec-p256' : keyKind
    const own = await startServer({
      overrides: { ca: { ...config.ca, keyKind, jwtKeyKind } },
    })
    try {
      const agent = await own.joinAgent()
      const { results } = await own
        .admin('spire.api.server.entry.v1.Entry')
        .unary('BatchCreateEntry', { entries: [wireEntry({ path: '/web', parent: agent.id })] })
      const client = createClient(svidService, own.dial(agent))
      const entryId = results[0]?.entry?.id ?? ''
      const { csr } = await freshCsr()
      const issued = await client.unary('BatchNewX509SVID', {
        params: [{ entry_id: entryId, csr }],
      })
      expect(issued.results[0]?.status?.code).toBe(0)
      const { svid } = await client.unary('NewJWTSVID', { entry_id: entryId, audience: ['a'] })
      const [header = ''] = svid?.token.split('.') ?? []
      const { alg } = JSON.parse(Buffer.from(header, 'base64url').toString())
      expect(alg).toBe({ 'ec-p384': 'ES384', 'rsa-2048': 'RS256', ed25519: 'ES256' }[keyKind])
    } finally {
      await own.remove()
    }
  },
)
