import type { KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { readFederation } from '../../server/bundle/settings.ts'
import type { EventName } from '../../server/oauth/ssf/caep.ts'
import { tokenExchangeGrant, tokenTypes } from '../../server/oauth/token-types.ts'
import type { Bundle } from '../../src/bundle/bundle.ts'
import { writeBundleDocument } from '../../src/bundle/document.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../src/x509/key.ts'
import { forge } from '../spec/jwt-svid/tokens.ts'
import { askDoor, type ClientProof, type Door, type DoorAnswer, doorNames } from './client-doors.ts'
import { runHere } from './command.ts'
import { allowWeb, issuer, orders, resourceOf } from './oauth.ts'
import { nowSeconds } from './oidc-issuer.ts'
import { recordsIn } from './records-in.ts'
import { type RunningServer, someAgent, type TestIdentity, wireEntry } from './running-server.ts'
import { startTokenServer, type TokenServer } from './token-server.ts'
import type { WebCertificate } from './web-certificate.ts'
import {
  bundleOf,
  certify,
  type Made,
  party,
  partyWith,
  root,
  type Shape,
} from './x509-fixtures.ts'

export const web: SpiffeId = SpiffeId.parse('spiffe://example.org/web')
export const partner: SpiffeId = SpiffeId.parse('spiffe://partner.example/web')
const partnerDomain = SpiffeId.trustDomainOf(partner)
/** Serves a resource of its own, so that it may read the feed, and may read orders. */
export const partnerService: SpiffeId = SpiffeId.parse('spiffe://partner.example/stock')
const stock = 'https://stock.example.org'
export const hourMs = 3_600_000
export const today: { notBefore: Date; notAfter: Date } = {
  notBefore: new Date(Date.now() - hourMs),
  notAfter: new Date(Date.now() + hourMs),
}

/** Texts that are read as a SPIFFE ID by whoever is lenient. */
export const badIds: readonly string[] = [
  ...['SPIFFE://example.org/web', 'spiffe://EXAMPLE.org/web', 'spiffe://example.org/w%65b'],
  ...['spiffe://example.org/a/../web', 'spiffe://example.org/./web', 'spiffe://example.org//web'],
  ...['spiffe://example.org/web/', 'spiffe://example.org:443/web', 'spiffe://u@example.org/web'],
]

export interface Said {
  readonly claims?: Readonly<Record<string, unknown>>
  readonly header?: Readonly<Record<string, unknown>>
  readonly key?: string
}

/** What every door has said to one proof, and the reasons on record. */
export interface Everywhere {
  readonly answers: readonly (DoorAnswer & { readonly door: Door })[]
  readonly reasons: readonly (string | undefined)[]
}

/**
 * A server with tokens whose bundle, and that of `partner.example`, has authorities of which the test has the keys: all that
 * is forged is signed as it should be, so that nothing but the fault in it can be why it is refused. The web has an entry and
 * serves `orders`.
 */
export interface ClientWorld {
  readonly server: RunningServer
  readonly port: number
  readonly certificate: WebCertificate
  /** Authorities of the own trust domain, and of the other. */
  readonly own: Made
  readonly theirs: Made
  /** `own`; `theirs` and `wit` of the other trust domain; `stranger` of nobody. */
  keyOf(name: string): KeyObject
  /** A JWT-SVID of the web for the issuer, with what is said laid over it; `undefined` takes a member out. */
  assertion(said?: Said): string
  /** The same with more members, as JSON. */
  assertionOf(more: string): string
  /** At all doors but those that are left out. */
  everywhere(proof: ClientProof, without?: Door): Promise<Everywhere>
  /** The token alone, as subject token of an exchange: what is said, and the reason on record. */
  shownAsSubject(token: string): Promise<DoorAnswer & { readonly reason: string | undefined }>
  /** Every door refuses it, with the reason on record and not in the answer; 401 `invalid_client` unless told. */
  refusedEverywhere(
    proof: ClientProof,
    reason: string,
    as?: readonly [number, string],
    without?: Door,
  ): Promise<void>
  letInEverywhere(proof: ClientProof): Promise<void>
  /** Has the server follow this list of workloads of other trust domains; at first it is `partner` and `partnerService`. */
  useForeignClients(ids: readonly SpiffeId[]): void
  /** The audit trail, but for its signed heads. */
  records(): readonly Readonly<Record<string, unknown>>[]
  stop(): Promise<void>
}

export async function startClientWorld(): Promise<ClientWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'cs-clients-'))
  const clientsFile = join(folder, 'clients.json')
  const useForeignClients = (ids: readonly SpiffeId[]): void => {
    const foreign_clients = ids.map((spiffe_id) => ({ spiffe_id, owner: 'partner' }))
    writeFileSync(clientsFile, JSON.stringify({ foreign_clients }))
  }
  useForeignClients([partner, partnerService])
  const server = await start(clientsFile)
  const { certificate, port } = server
  const records = () => recordsIn(server.config.auditFile)
  const entry = wireEntry({ path: '/web', parent: someAgent })
  await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', { entries: [entry] })
  const keys = new Map<string, KeyObject>()
  for (const name of ['own', 'theirs', 'wit', 'stranger'])
    keys.set(name, (await generateKeyPair('ec-p256')).privateKey)
  const keyOf = (name: string): KeyObject => keys.get(name) ?? expect.fail(name)
  const own = await root('own', { uris: ['spiffe://example.org'], ...today })
  const theirs = await root('theirs', { uris: ['spiffe://partner.example'], ...today })
  await server.admin('spire.api.server.bundle.v1.Bundle').unary('AppendBundle', {
    x509_authorities: [{ asn1: own.der }],
    jwt_authorities: [
      { key_id: 'own', public_key: spkiOf(keyOf('own')), expires_at: nowSeconds() + 3600 },
    ],
  })
  const of = (keyId: string) => ({
    ...{ keyId, publicKey: spkiOf(keyOf(keyId)), expiresAt: undefined, tainted: false },
  })
  await setPartner(server, {
    ...bundleOf('partner.example', theirs),
    jwtAuthorities: [of('theirs'), of('wit')],
  })
  // As of the moment: files that share a process share this module, from whenever the first one was read.
  const right = () => ({ sub: web, aud: [issuer], iat: nowSeconds(), exp: nowSeconds() + 240 })
  const { everywhere, shownAsSubject } = asker(server, port, certificate)
  return {
    ...{ server, port, certificate, own, theirs, keyOf, everywhere, shownAsSubject },
    assertion({ claims, header, key = 'own' } = {}) {
      const head = { alg: 'ES256', kid: key, typ: 'JWT', ...header }
      return forge(head, { ...right(), ...claims }, keyOf(key), 'ES256')
    },
    assertionOf(more) {
      const payload = `${more.slice(0, -1)},${JSON.stringify(right()).slice(1)}`
      return forge({ alg: 'ES256', kid: 'own', typ: 'JWT' }, payload, keyOf('own'), 'ES256')
    },
    async refusedEverywhere(proof, reason, as = [401, 'invalid_client'], without) {
      const { answers, reasons } = await everywhere(proof, without)
      expect(reasons).toEqual(answers.map(() => reason))
      for (const { door, status, error, text } of answers) {
        expect([door, status, error]).toEqual([door, ...as])
        expect(text).not.toContain('access_token')
        expect(text).not.toContain(reason)
        if (status === 401) expect(JSON.parse(text)).toEqual(unknown)
      }
    },
    async letInEverywhere(proof) {
      const { answers } = await everywhere(proof)
      expect(Object.fromEntries(answers.map(({ door, status }) => [door, status]))).toEqual(known)
    },
    ...{ useForeignClients, records },
    async stop() {
      await server.remove()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** What whoever has not proved himself is told, whatever it was. */
const unknown = { error: 'invalid_client', error_description: 'client authentication failed' }

/** Who is known and asks for what there is not: an exchange of `x`, and a feed to acknowledge. */
const known: Readonly<Record<Door, number>> = {
  ...{
    token: 200,
    exchange: 400,
    introspect: 200,
    revoke: 200,
    feed: 200,
    acknowledge: 404,
    events: 200,
  },
}

const allowPartner = `
@id("partner-reads-orders")
permit (principal == Workload::"${partnerService}", action == Action::"issueToken", resource == Api::"${orders}");
`

function start(foreignClientsFile: string): Promise<TokenServer> {
  const stream = {
    ...{ id: 'one', audience: 'https://siem.example', receivers: new Set([web]) },
    ...{ events: new Set<EventName>(), subjects: undefined, push: undefined },
  }
  const oauth = {
    resources: new Map([
      [orders, resourceOf(orders, { servedBy: new Set([web]) })],
      [stock, resourceOf(stock, { servedBy: new Set([partnerService]) })],
    ]),
    streams: new Map([[stream.id, stream]]),
    foreignClientsFile,
  }
  const trustDomains = new Map([[partnerDomain, { maxSeconds: 0.2, onStale: 'deny' as const }]])
  const federation = { ...readFederation({ fetch: false }), trustDomains }
  return startTokenServer({ policy: allowWeb + allowPartner, oauth, overrides: { federation } })
}

/** The other trust domain's bundle, as an operator sets it from a document: the key `wit` is for WIT-SVIDs. */
async function setPartner(server: RunningServer, bundle: Bundle): Promise<void> {
  const document = JSON.parse(writeBundleDocument(bundle)) as { keys: { kid?: string }[] }
  const marked = document.keys.map((key) => (key.kid === 'wit' ? { ...key, use: 'wit-svid' } : key))
  const file = join(server.folder, 'partner.json')
  writeFileSync(file, JSON.stringify({ ...document, keys: marked }))
  const { code, stderr } = await runHere([
    ...['bundle', 'set', '--trust-domain', 'partner.example', '--file', file],
    ...['--admin-socket', server.config.adminSocket],
  ])
  expect([code, stderr]).toEqual([0, ''])
}

/** Each proof asks from an address of its own, so that all that is refused is on record. */
function asker(
  server: RunningServer,
  port: number,
  web: WebCertificate,
): Pick<ClientWorld, 'everywhere' | 'shownAsSubject'> {
  let asked = 0
  const newAddress = (): string => {
    asked += 1
    return `127.1.${asked >> 8}.${asked & 0xff}`
  }
  const reasonsOf = (from: string): readonly (string | undefined)[] =>
    recordsIn(server.config.auditFile)
      .map((record) => record as { actor?: { address?: string }; reason?: string })
      .filter(({ actor }) => actor?.address?.startsWith(`${from}:`))
      .map(({ reason }) => reason)
  return {
    async everywhere(proof, without) {
      const from = newAddress()
      const answers = await Promise.all(
        doorNames
          .filter((door) => door !== without)
          .map(async (door) => ({ door, ...(await askDoor(door, proof, { port, web, from })) })),
      )
      return { answers, reasons: reasonsOf(from) }
    },
    async shownAsSubject(token) {
      const from = newAddress()
      const values = {
        ...{ grant_type: tokenExchangeGrant, resource: orders, scope: 'orders:read' },
        ...{ subject_token: token, subject_token_type: tokenTypes.jwt },
      }
      const answer = await askDoor('token', {}, { port, web, from, values })
      return { ...answer, reason: reasonsOf(from).at(-1) }
    },
  }
}

/** A certificate of the web by this authority, with what is said of it; those behind it are shown along. */
export async function identity(
  by: Made,
  shape: Shape = {},
  behind: readonly Made[] = [],
): Promise<TestIdentity> {
  const { privateKey } = await generateKeyPair('ec-p256')
  const holder = partyWith('holder', softwareSigner(privateKey))
  const leaf = await certify(holder, by, { uris: [web], ...today, ...shape })
  const pkcs8 = privateKey.export({ format: 'der', type: 'pkcs8' })
  return { id: web, chain: [leaf, ...behind].map(({ der }) => der), privateKey: pkcs8 }
}

/** An authority below this one. */
export async function authorityBelow(by: Made, shape: Shape = {}): Promise<Made> {
  const right = { ca: true, uris: ['spiffe://example.org'], ...today }
  return certify(await party('middle'), by, { ...right, ...shape })
}
