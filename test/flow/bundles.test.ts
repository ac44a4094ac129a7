import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../../src/rpc/client.ts'
import { dialUnix } from '../../src/rpc/dial.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { verifyX509Svid } from '../../src/svid/x509-svid.ts'
import { parseCertificate } from '../../src/x509/certificate.ts'
import { createCsr } from '../../src/x509/csr.ts'
import { issueLeaf } from '../../src/x509/issue.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../src/x509/key.ts'
import { reasonOf } from '../support/reason-of.ts'
import { startAgent, untilHeld } from '../support/running-agent.ts'
import {
  mint,
  type RunningServer,
  startServer,
  type TestIdentity,
  trustDomain,
  wireEntry,
} from '../support/running-server.ts'
import { issued, root } from '../support/x509-fixtures.ts'

const bundleService = 'spire.api.server.bundle.v1.Bundle'
const entryService = 'spire.api.server.entry.v1.Entry'

let server: RunningServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(() => server.remove())

const bundles = () => server.admin(bundleService)

const later = Math.floor(Date.now() / 1000) + 3600

async function jwtKey(key_id: string, expires_at = later) {
  const { publicKey } = await generateKeyPair('ec-p256')
  return { key_id, public_key: spkiOf(publicKey), expires_at }
}

async function peerBundle(trust_domain: string, sequence_number = 1) {
  return {
    trust_domain,
    x509_authorities: [{ asn1: (await root(trust_domain)).der }],
    jwt_authorities: [await jwtKey(`key of ${trust_domain}`)],
    refresh_hint: 300,
    sequence_number,
  }
}

const codes = (results: readonly { readonly status: { readonly code: number } | null }[]) =>
  results.map(({ status }) => status?.code)

describe('the own bundle', () => {
  test('operators append to it, once each, and rotation leaves that in', async () => {
    const { der } = await root('legacy')
    const given = { x509_authorities: [{ asn1: der }], jwt_authorities: [await jwtKey('legacy')] }
    const before = await bundles().unary('GetBundle', {})
    const after = await bundles().unary('AppendBundle', given)
    expect(after.x509_authorities.map(({ asn1 }) => asn1)).toContainEqual(der)
    expect(BigInt(after.sequence_number)).toBe(BigInt(before.sequence_number) + 1n)
    expect(await bundles().unary('AppendBundle', given)).toEqual(after)
    expect(
      await bundles().unary('AppendBundle', { ...given, output_mask: { sequence_number: true } }),
    ).toMatchObject({ x509_authorities: [], sequence_number: after.sequence_number })

    const authority = server.admin('spire.api.server.localauthority.v1.LocalAuthority')
    await authority.unary('PrepareX509Authority', {})
    const rotated = await bundles().unary('GetBundle', {})
    expect(rotated.x509_authorities).toHaveLength(3)
    expect(rotated.x509_authorities.map(({ asn1 }) => asn1)).toContainEqual(der)
    expect(rotated.jwt_authorities.map(({ key_id }) => key_id)).toContain('legacy')
  })

  test('what is no authority, or has ended, is not appended', async () => {
    const leaf = await issued('leaf', await root('ca'), { uris: ['spiffe://example.org/x'] })
    const append = (given: object) => reasonOf(bundles().unary('AppendBundle', given))
    expect(await append({})).toBe('bundle-empty')
    expect(await append({ x509_authorities: [{ asn1: leaf.der }] })).toBe('bundle-certificate')
    expect(await append({ x509_authorities: [{ asn1: Buffer.from('x') }] })).not.toBe('accepted')
    expect(await append({ jwt_authorities: [await jwtKey('')] })).toBe('bundle-key-id')
    expect(await append({ jwt_authorities: [await jwtKey('old', 1000)] })).toBe('bundle-ended')
  })
})

describe('a nested server', () => {
  let nested: TestIdentity

  beforeAll(async () => {
    const agent = await server.joinAgent()
    await server.admin(entryService).unary('BatchCreateEntry', {
      entries: [wireEntry({ path: '/nested', parent: agent.id, downstream: true })],
    })
    nested = await mint(server, '/nested')
  })

  test('X509-10 X509-11 gets a CA for its own key, below ours and under no ID of its own, and what that signs is good', async () => {
    const { privateKey } = await generateKeyPair('ec-p256')
    const signer = softwareSigner(privateKey)
    const client = createClient('spire.api.server.svid.v1.SVID', server.dial(nested))
    const answer = await client.unary('NewDownstreamX509CA', {
      csr: await createCsr(signer, { spiffeId: SpiffeId.of(trustDomain, '/ca') }),
      preferred_ttl: 600,
    })
    const ca = parseCertificate(answer.ca_cert_chain[0] as Buffer)
    const seconds = (ca.notAfter.getTime() - Date.now()) / 1000
    expect(Math.abs(seconds - 600)).toBeLessThan(60)
    expect(ca.uris).toEqual(['spiffe://example.org'])
    expect(answer.x509_authorities).toEqual(
      (await bundles().unary('GetBundle', {})).x509_authorities.map(({ asn1 }) => asn1),
    )
    const leaf = await issueLeaf(
      {
        spiffeId: SpiffeId.of(trustDomain, '/below'),
        spki: spkiOf((await generateKeyPair('ec-p256')).publicKey),
        notBefore: new Date(Date.now() - 1000),
        notAfter: new Date(Date.now() + 60_000),
      },
      { certificate: ca, signer },
    )
    const own = {
      trustDomain,
      x509Authorities: answer.x509_authorities.map((certificate) => ({
        certificate,
        tainted: false,
      })),
      jwtAuthorities: [],
      sequence: 1n,
      refreshHintSeconds: 0,
    }
    const source = { bundleOf: () => own }
    expect(verifyX509Svid([leaf, ca.der], source, new Date()).spiffeId).toContain('/below')
    expect(readFileSync(server.config.auditFile, 'utf8')).toContain('ca.downstream.issued')
    expect(await reasonOf(client.unary('NewDownstreamX509CA', { csr: Buffer.from('x') }))).toMatch(
      /^csr-/,
    )
    expect(
      await reasonOf(
        client.unary('NewDownstreamX509CA', { csr: await createCsr(signer), preferred_ttl: -1 }),
      ),
    ).toBe('svid-ttl')
  })

  test('publishes its JWT key, but cannot take the name of another or leave one for ever', async () => {
    const client = createClient(bundleService, server.dial(nested))
    const key = await jwtKey('nested-1')
    const publish = (jwt_authority: object | null) =>
      client.unary('PublishJWTAuthority', { jwt_authority })
    const { jwt_authorities } = await publish(key)
    expect(jwt_authorities.map(({ key_id }) => key_id)).toContain('nested-1')
    const ours = jwt_authorities.find(({ key_id }) => /^[0-9a-f]{40}$/.test(key_id))
    expect(await reasonOf(publish(await jwtKey(ours?.key_id ?? '')))).toBe('bundle-key-id')
    expect(await reasonOf(publish(await jwtKey('nested-1')))).toBe('bundle-key-id')
    expect(await reasonOf(publish({ ...key, key_id: 'b', expires_at: 0 }))).toBe(
      'bundle-jwt-authority',
    )
    expect(await reasonOf(publish(null))).toBe('bundle-jwt-authority')
  })
})

describe('federated bundles', () => {
  test('are created, set, updated, listed and counted, each item with a status of its own', async () => {
    const [one, two] = [await peerBundle('one.test', 7), await peerBundle('two.test')]
    const created = await bundles().unary('BatchCreateFederatedBundle', {
      bundle: [one, one, { ...two, trust_domain: 'example.org' }, { trust_domain: 'No Name' }],
      output_mask: { sequence_number: true },
    })
    expect(codes(created.results)).toEqual([0, 6, 3, 3])
    expect(created.results[0]?.bundle).toMatchObject({
      trust_domain: 'one.test',
      sequence_number: '7',
      x509_authorities: [],
    })
    const set = await bundles().unary('BatchSetFederatedBundle', { bundle: [two] })
    expect(codes(set.results)).toEqual([0])
    const update = await bundles().unary('BatchUpdateFederatedBundle', {
      bundle: [{ ...one, x509_authorities: [], refresh_hint: 60 }, { trust_domain: 'three.test' }],
      input_mask: { refresh_hint: true },
    })
    expect(codes(update.results)).toEqual([0, 5])
    expect(update.results[0]?.bundle).toMatchObject({
      refresh_hint: '60',
      sequence_number: '7',
      x509_authorities: [{ asn1: one.x509_authorities[0]?.asn1 }],
    })
    expect((await bundles().unary('CountBundles', {})).count).toBe(3)
    const first = await bundles().unary('ListFederatedBundles', { page_size: 1 })
    expect(first.bundles.map((bundle) => bundle.trust_domain)).toEqual(['one.test'])
    const second = await bundles().unary('ListFederatedBundles', {
      page_size: 1,
      page_token: first.next_page_token,
    })
    expect(second.bundles.map((bundle) => bundle.trust_domain)).toEqual(['two.test'])
    expect(second.next_page_token).toBe('')
    expect(
      await reasonOf(bundles().unary('GetFederatedBundle', { trust_domain: 'example.org' })),
    ).toBe('bundle-own')
    // Whoever sets one may go back to an older one.
    const back = await bundles().unary('BatchSetFederatedBundle', {
      bundle: [{ ...one, sequence_number: 2 }],
    })
    expect(back.results[0]?.bundle?.sequence_number).toBe('2')
  })

  test('a bundle that entries federate with goes with them, without them, or not at all', async () => {
    const agent = await server.joinAgent()
    const peers = ['a.test', 'b.test', 'c.test']
    await bundles().unary('BatchSetFederatedBundle', {
      bundle: await Promise.all(peers.map((name) => peerBundle(name))),
    })
    const { results } = await server.admin(entryService).unary('BatchCreateEntry', {
      entries: peers.map((name) =>
        wireEntry({
          path: `/with/${name}`,
          parent: agent.id,
          federates_with: [name, 'c.test'],
        }),
      ),
    })
    const [first, second] = results.map(({ entry }) => entry?.id ?? '')
    const remove = async (trust_domains: string[], mode: 'RESTRICT' | 'DELETE' | 'DISSOCIATE') =>
      (await bundles().unary('BatchDeleteFederatedBundle', { trust_domains, mode })).results
    expect(await remove(['a.test', 'none.test', 'example.org'], 'RESTRICT')).toMatchObject([
      {
        trust_domain: 'a.test',
        status: {
          code: 9,
          message: 'cannot delete bundle; federated with 1 registration entries',
        },
      },
      { status: { code: 5 } },
      { status: { code: 3 } },
    ])
    expect(codes(await remove(['a.test'], 'DELETE'))).toEqual([0])
    const entry = (id: string | undefined) =>
      server.admin(entryService).unary('GetEntry', { id: id ?? '' })
    expect(await reasonOf(entry(first))).toBe('entry-not-found')
    expect(codes(await remove(['b.test'], 'DISSOCIATE'))).toEqual([0])
    expect(await entry(second)).toMatchObject({ federates_with: ['c.test'], revision_number: '1' })
    expect(await reasonOf(bundles().unary('GetFederatedBundle', { trust_domain: 'b.test' }))).toBe(
      'bundle-not-found',
    )
    const trail = readFileSync(server.config.auditFile, 'utf8')
    for (const kind of ['bundle.set', 'bundle.deleted', 'bundle.appended']) {
      expect(trail).toContain(kind)
    }
  })

  test('FED-11 FED-33 reach the workloads whose entries federate, when they are set, changed and deleted', async () => {
    const agent = await startAgent(server)
    const channel = dialUnix(agent.socket)
    const leaving = new AbortController()
    try {
      await bundles().unary('BatchSetFederatedBundle', { bundle: [await peerBundle('peer.test')] })
      const fleet = server.admin('countersign.fleet.v1.Fleet')
      const [connected] = (await fleet.unary('ListStatus', {})).agents
      const { results } = await server.admin(entryService).unary('BatchCreateEntry', {
        entries: [
          wireEntry({
            path: '/federated',
            parent: SpiffeId.parse(connected?.agent_id ?? ''),
            selectors: [`unix:uid:${process.getuid?.()}`],
            federates_with: ['peer.test'],
          }),
        ],
      })
      await untilHeld(server, [results[0]?.entry?.id ?? ''])
      const stream = createClient('SpiffeWorkloadAPI', channel)
        .serverStream(
          'FetchX509SVID',
          {},
          { metadata: { 'workload.spiffe.io': 'true' }, signal: leaving.signal },
        )
        [Symbol.asyncIterator]()
      const next = async () => (await stream.next()).value.federated_bundles
      const first = await next()
      expect(Object.keys(first)).toEqual(['spiffe://peer.test'])
      const { der } = await root('another')
      await bundles().unary('BatchUpdateFederatedBundle', {
        bundle: [{ trust_domain: 'peer.test', x509_authorities: [{ asn1: der }] }],
        input_mask: { x509_authorities: true },
      })
      expect((await next())['spiffe://peer.test']).toEqual(der)
      await bundles().unary('BatchDeleteFederatedBundle', {
        trust_domains: ['peer.test'],
        mode: 'DISSOCIATE',
      })
      let last = await next()
      while (Object.keys(last).length > 0) last = await next()
    } finally {
      leaving.abort()
      channel.close()
      await agent.stop()
    }
  })
})
