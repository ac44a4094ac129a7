import { afterAll, beforeAll, expect, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { toPem } from '../../src/x509/pem.ts'
import { runHere } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import { ask, form, formHeaders, resourceOf } from '../support/oauth.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import { agentIdOf, type RunningAgent, startAgent } from '../support/running-agent.ts'
import { type BrokerAlone, startBrokerIn } from '../support/running-broker.ts'
import {
  mint,
  someAgent,
  type TestIdentity,
  trustDomain,
  wireEntry,
} from '../support/running-server.ts'
import { startTokenServer, type TokenServer } from '../support/token-server.ts'

const policy = (audience: string): string => `
@id("gets-tokens-for-acme")
permit (principal, action == Action::"issueToken", resource == Api::"${audience}");
`
const callsAcme = '@id("all") permit (principal, action == Action::"callVendor", resource);'

let server: TokenServer
let agent: RunningAgent
let broker: BrokerAlone
let audience: string

beforeAll(async () => {
  const [port, brokerPort] = [await freePort(), await freePort()]
  const issuer = `https://localhost:${port}`
  audience = `https://broker.example.org:${brokerPort}/acme`
  const servedBy = new Set([SpiffeId.of(trustDomain, '/broker')])
  const resource = resourceOf(audience, { servedBy, scopes: ['call'] })
  const oauth = { issuer, resources: new Map([[audience, resource]]) }
  server = await startTokenServer({ port, policy: policy(audience), oauth })
  agent = await startAgent(server)
  const parent = await agentIdOf(server)
  const selectors = [`unix:uid:${process.getuid?.()}`]
  const name = { dns_names: ['broker.example.org'] }
  await register(wireEntry({ path: '/broker', parent, selectors, ...name }))
  const { x509_authorities: authorities } = await server
    .admin('spire.api.server.bundle.v1.Bundle')
    .unary('GetBundle', {})
  const world = {
    ...{ socket: agent.socket, issuer, issuerCa: server.certificate.ca, port: brokerPort },
    authorities: authorities.map(({ asn1 }) => toPem('CERTIFICATE', asn1)),
  }
  broker = await startBrokerIn(world, {
    ...{ policy: callsAcme, feed: true, acme: { svid_alone: true } },
  })
})

afterAll(async () => {
  await broker?.stop()
  await agent?.stop()
  await server?.remove()
})

async function register(entry: Record<string, unknown>): Promise<string> {
  const { results } = await server
    .admin('countersign.registry.v1.Registry')
    .unary('BatchCreate', { entries: [{ entry, owner: 'team', purpose: 'test' }] })
  return results[0]?.entry?.entry?.id ?? ''
}

async function tokenOf(identity: TestIdentity): Promise<string> {
  const wish = { grant_type: 'client_credentials', resource: audience, scope: 'call' }
  const { body } = await ask(server.port, server.certificate, '/oauth/token', {
    ...{ method: 'POST', headers: formHeaders, identity },
    body: form({ ...wish, client_id: identity.id }),
  })
  return (JSON.parse(body) as { access_token: string }).access_token
}

test('T26 once its entry is disabled a workload calls no vendor any more within a second, and a call that is under way is cut', async () => {
  const id = await register(wireEntry({ path: '/web', parent: someAgent }))
  await register(wireEntry({ path: '/other', parent: someAgent }))
  const [web, stays] = [await mint(server, '/web'), await mint(server, '/other')]
  const [token, othersToken] = [await tokenOf(web), await tokenOf(stays)]
  const calls = {
    byToken: () => broker.decided({ token, svid: web }),
    bySvid: () => broker.decided({ svid: web }),
    ofTheOther: () => broker.decided({ token: othersToken, svid: stays }),
  }
  const statuses = async () =>
    Promise.all(Object.values(calls).map(async (call) => (await call()).status))
  broker.vendor.answer = () => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'
  expect(await statuses()).toEqual([200, 200, 200])

  broker.vendor.answer = () => [
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
    '2\r\nhi\r\n',
  ]
  const open = await broker.underWay({ token, svid: web })
  let rest: string | undefined
  void open.rest.then((text) => {
    rest = text
  })
  broker.vendor.answer = () => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'

  const socket = ['--admin-socket', server.config.adminSocket]
  const off = await runHere(['entry', 'disable', '--id', id, '--reason', 'test', ...socket])
  expect(off.code).toBe(0)
  const reasons = async () =>
    Promise.all(Object.values(calls).map(async (call) => (await call()).reason))
  const refused = ['token-revoked', 'caller-revoked', undefined]
  await Promise.all([
    eventually(async () => (await reasons()).join() === refused.join(), PROMPT_MS),
    eventually(() => rest !== undefined, PROMPT_MS),
  ])
  expect(rest?.endsWith('0\r\n\r\n')).toBe(false)
  const asked = broker.vendor.requests.length
  expect(await reasons()).toEqual(refused)
  expect(broker.vendor.requests).toHaveLength(asked + 1)
})
