import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createClient, type RpcClient } from '../../src/rpc/client.ts'
import { dialUnix, type RpcChannel } from '../../src/rpc/dial.ts'
import type { SpiffeWorkloadAPIDefinition } from '../../src/rpc/gen/SpiffeWorkloadAPI.ts'
import { splitCertificates } from '../../src/x509/certificate.ts'
import { reasonOf } from '../support/reason-of.ts'
import { agentIdOf, type RunningAgent, startAgent, untilHeld } from '../support/running-agent.ts'
import { mint, type RunningServer, startServer, wireEntry } from '../support/running-server.ts'

let server: RunningServer
let agent: RunningAgent
let channel: RpcChannel
let workload: RpcClient<SpiffeWorkloadAPIDefinition>

const authority = () => server.admin('spire.api.server.localauthority.v1.LocalAuthority')
const metadata = { 'workload.spiffe.io': 'true' }

beforeAll(async () => {
  server = await startServer()
  agent = await startAgent(server)
  channel = dialUnix(agent.socket)
  workload = createClient('SpiffeWorkloadAPI', channel)
})

afterAll(async () => {
  channel?.close()
  await agent?.stop()
  await server?.remove()
})

async function register(path: string): Promise<void> {
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: [
        wireEntry({
          path,
          parent: await agentIdOf(server),
          selectors: [`unix:uid:${process.getuid?.()}`],
        }),
      ],
    })
  await untilHeld(server, [results[0]?.entry?.id ?? ''])
}

/** What the workload holds at each push: the signer of its leaf, and how many authorities there are. */
function watchX509(signal: AbortSignal) {
  const pushes = workload
    .serverStream('FetchX509SVID', {}, { metadata, signal })
    [Symbol.asyncIterator]()
  return async () => {
    const { value } = await pushes.next()
    const svid = value.svids[0]
    return {
      signedBy: new X509Certificate(svid.x509_svid).issuer,
      authorities: splitCertificates(svid.bundle).length,
    }
  }
}

async function replaceX509(): Promise<string> {
  const { active } = await authority().unary('GetX509AuthorityState', {})
  const { prepared_authority } = await authority().unary('PrepareX509Authority', {})
  const activated = await authority().unary('ActivateX509Authority', {
    authority_id: prepared_authority?.authority_id ?? '',
  })
  expect(activated.activated_authority).toEqual(prepared_authority)
  return active?.authority_id ?? ''
}

/** Resolves when the agent shows another SVID than now: it is what it comes back with after a revocation. */
async function agentToRenew(): Promise<() => Promise<void>> {
  const fleet = server.admin('spire.api.server.agent.v1.Agent')
  const serialOf = async () =>
    (await fleet.unary('ListAgents', {})).agents[0]?.x509svid_serial_number
  const serial = await serialOf()
  return async () => {
    await expect.poll(serialOf).not.toBe(serial)
  }
}

test('a tainted X.509 authority takes all that it signed along at once, a revoked one is gone, and nobody is locked out', async () => {
  const leaving = new AbortController()
  await register('/web')
  const next = watchX509(leaving.signal)
  const first = await next()
  const admin = createClient(
    'spire.api.server.bundle.v1.Bundle',
    server.dial(await mint(server, '/old-connection')),
  )
  await admin.unary('GetBundle', {})

  const old = await replaceX509()
  const rotated = await next()
  expect(rotated).toEqual({ signedBy: first.signedBy, authorities: 2 })
  const state = await authority().unary('GetX509AuthorityState', {})
  expect(state).toMatchObject({ prepared: null, old: { authority_id: old } })
  expect(Number(state.active?.expires_at)).toBeGreaterThan(Number(state.old?.expires_at) - 1)

  const renewed = await agentToRenew()
  await authority().unary('TaintX509Authority', { authority_id: old })
  const replaced = await next()
  expect(replaced.signedBy).not.toBe(first.signedBy)

  await renewed()

  const svids = createClient(
    'spire.api.server.svid.v1.SVID',
    server.dial(await mint(server, '/new-connection')),
  )
  await authority().unary('RevokeX509Authority', { authority_id: old })
  let last = await next()
  while (last.authorities > 1) last = await next()
  expect(last.signedBy).toBe(replaced.signedBy)
  expect(await reasonOf(svids.unary('MintX509SVID', {}))).toBe('access-denied')

  await register('/later')
  await expect.poll(async () => (await agentStatus())[0]?.connected).toBe(true)
  leaving.abort()
})

async function agentStatus() {
  return (await server.admin('countersign.fleet.v1.Fleet').unary('ListStatus', {})).agents
}

test('T26 a connection whose SVID was signed by a revoked authority gets nothing more', async () => {
  const identity = await mint(server, '/revoked')
  const svids = createClient('spire.api.server.svid.v1.SVID', server.dial(identity))
  expect(await reasonOf(svids.unary('MintX509SVID', {}))).toBe('access-denied')
  const old = await replaceX509()
  const renewed = await agentToRenew()
  await authority().unary('TaintX509Authority', { authority_id: old })
  await renewed()
  expect(await reasonOf(svids.unary('MintX509SVID', {}))).toBe('access-denied')
  await authority().unary('RevokeX509Authority', { authority_id: old })
  await expect.poll(() => reasonOf(svids.unary('MintX509SVID', {}))).toBe('svid-authority-revoked')
  const again = createClient('spire.api.server.svid.v1.SVID', server.dial(identity))
  expect(await reasonOf(again.unary('MintX509SVID', {}))).not.toMatch(/accepted|access-denied/)
})

test('tokens of a tainted JWT key are replaced, and a revoked key validates nothing', async () => {
  const fetch = async () =>
    (await workload.unary('FetchJWTSVID', { audience: ['db'] }, { metadata })).svids[0]?.svid ?? ''
  const keyOf = (token: string): string =>
    JSON.parse(Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()).kid
  const validate = (token: string) =>
    reasonOf(workload.unary('ValidateJWTSVID', { audience: 'db', svid: token }, { metadata }))
  const token = await fetch()
  expect(await validate(token)).toBe('accepted')
  const { active } = await authority().unary('GetJWTAuthorityState', {})
  const old = active?.authority_id ?? ''
  expect(keyOf(token)).toBe(old)
  const { prepared_authority } = await authority().unary('PrepareJWTAuthority', {})
  const fresh = prepared_authority?.authority_id ?? ''
  await authority().unary('ActivateJWTAuthority', { authority_id: fresh })
  expect(keyOf(await fetch())).toBe(old)
  await authority().unary('TaintJWTAuthority', { authority_id: old })
  await expect.poll(async () => keyOf(await fetch())).toBe(fresh)
  expect(await validate(token)).toBe('accepted')
  await authority().unary('RevokeJWTAuthority', { authority_id: old })
  await expect.poll(() => validate(token)).not.toBe('accepted')
})

test('without an upstream authority there is none to taint or revoke, and WIT authorities are not there', async () => {
  const key = { subject_key_id: 'aa' }
  expect(await reasonOf(authority().unary('TaintX509UpstreamAuthority', key))).toBe(
    'no-upstream-authority',
  )
  expect(await reasonOf(authority().unary('RevokeX509UpstreamAuthority', key))).toBe(
    'no-upstream-authority',
  )
  expect(await reasonOf(authority().unary('GetWITAuthorityState', {}))).toBe('rpc-unimplemented')
})
