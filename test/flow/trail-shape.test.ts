import { hash } from 'node:crypto'
import { Agent } from 'node:https'
import { decodeJwt } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { ask, form, formHeaders, orders, resourceOf } from '../support/oauth.ts'
import { recordsIn } from '../support/records-in.ts'
import { mint, someAgent, wireEntry } from '../support/running-server.ts'
import { startTokenServer } from '../support/token-server.ts'

const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessToken = 'urn:ietf:params:oauth:token-type:access_token'
const policy = `
@id("web-issues") permit (principal, action in [Action::"issueToken", Action::"exchangeToken"], resource);
@id("no-writes") forbid (principal, action == Action::"issueToken", resource)
when { context.scopes.contains("orders:write") };
@id("ops-revoke") permit (principal == Workload::"spiffe://example.org/ops", action == Action::"revoke", resource);
`

type Line = Record<string, unknown> & { kind: string; details?: Record<string, unknown> }

test('a token, its copy, its refusal and its revocation are on record with who, for whom, what for, and by which policies', async () => {
  const resource = resourceOf(orders, { owner: 'team-orders' })
  const server = await startTokenServer({
    policy,
    oauth: { resources: new Map([[orders, resource]]) },
  })
  onTestFinished(() => server.remove())
  const entry = wireEntry({ path: '/web', parent: someAgent })
  const registry = server.admin('countersign.registry.v1.Registry')
  const made = await registry.unary('BatchCreate', {
    entries: [
      { entry, owner: 'team-web', purpose: 'reads orders' },
      { entry: wireEntry({ path: '/ops', parent: someAgent }), owner: 'team-ops', purpose: '' },
    ],
  })
  const entryId = made.results[0]?.entry?.entry?.id ?? ''
  const [web, ops] = [await mint(server, '/web'), await mint(server, '/ops')]
  const post = async (path: string, values: Record<string, string>, identity = web) => {
    const body = form({ client_id: identity.id, ...values })
    const options = { method: 'POST', headers: formHeaders, body, identity }
    const answer = await ask(server.port, server.certificate, path, options)
    return (answer.body === '' ? {} : JSON.parse(answer.body)) as { access_token?: string }
  }
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  const { access_token: token = '' } = await post('/oauth/token', wish)
  const copied = { ...wish, grant_type: exchange, subject_token: token }
  await post('/oauth/token', { ...copied, subject_token_type: accessToken })
  await post('/oauth/token', { ...wish, scope: 'orders:write' })
  await post('/oauth/revoke', { token })
  const { access_token: other = '' } = await post('/oauth/token', wish)
  await post('/oauth/revoke', { token: other }, ops)
  const revocation = server.admin('countersign.revocation.v1.Revocation')
  await revocation.unary('Revoke', { kind: 'entry', id: entryId, reason: 'lost' })

  const recorded = () => recordsIn<Line>(server.config.auditFile)
  const lines = recorded()
  const of = (kind: string) => lines.find((line) => line.kind === kind)
  const thumbprint = hash('sha256', web.chain[0] ?? '', 'base64url')
  const about = { entryId, owner: 'team-web', purpose: 'reads orders' }
  const actor = {
    ...{ kind: 'workload', id: web.id, entryId, owner: 'team-web', auth: 'spiffe_x509' },
    ...{ node: someAgent, thumbprint, address: expect.stringMatching(/^127\.0\.0\.1:\d+$/) },
  }
  const decided = {
    ...{ decision: 'allow', policies: ['web-issues'], cached: expect.any(Boolean) },
    policyRevision: expect.stringMatching(/^[0-9a-f]{64}$/),
  }
  const what = { audience: [orders], scope: ['orders:read'], resourceOwner: 'team-orders' }
  const issued = of('token.issued')
  expect(issued).toMatchObject({
    ...{ actor, spiffeId: web.id, ...about, ...decided, ...what },
    ...{ grant: 'client_credentials', confirmation: thumbprint, ttlSeconds: 300 },
    ...{ jti: expect.any(String), transaction: expect.any(String) },
    ...{ authorityId: expect.any(String), expiresAt: expect.any(String) },
  })
  expect(of('token.exchanged')).toMatchObject({
    ...{ actor, spiffeId: web.id, ...about, ...decided, ...what, grant: exchange },
    ...{ parentJti: issued?.['jti'], transaction: issued?.['transaction'] },
  })
  const { node: _, ...known } = actor
  expect(of('token.denied')).toMatchObject({
    ...{ actor: known, spiffeId: web.id, ...about, grant: 'client_credentials' },
    ...{ decision: 'deny', reason: 'policy-forbids', audience: [orders], scope: ['orders:write'] },
    ...{ policies: ['no-writes'], policyRevision: decided.policyRevision },
  })
  expect(of('revocation.written')).toMatchObject({
    ...{ actor: known, spiffeId: web.id, ...about, decision: 'allow', scope: ['orders:read'] },
    ...{ jti: issued?.['jti'], transaction: issued?.['transaction'], audience: [orders] },
    ...{ policyRevision: decided.policyRevision, details: { kind: 'transaction' } },
  })
  const [, byOps, byOperator] = lines.filter(({ kind }) => kind === 'revocation.written')
  expect(byOps).toMatchObject({
    // Whose token it was, and who has ended it.
    ...{ actor: { id: ops.id, owner: 'team-ops' }, spiffeId: web.id, ...about, decision: 'allow' },
    ...{ audience: [orders], transaction: decodeJwt(other)['txn'] },
    ...{ policies: ['ops-revoke'], policyRevision: decided.policyRevision },
  })
  expect(byOperator).toMatchObject({
    ...{ actor: { kind: 'local', uid: process.getuid?.() }, decision: 'allow', reason: 'lost' },
    ...{ policies: ['countersign.operator-revokes'], policyRevision: decided.policyRevision },
    details: { kind: 'entry', id: entryId },
  })
  expect(of('entry.created')).toMatchObject({
    ...{ actor: { kind: 'local', uid: process.getuid?.() }, spiffeId: web.id, ...about },
    decision: 'allow',
  })
  expect(of('svid.x509.issued')).toMatchObject({
    ...{ decision: 'allow', serial: expect.any(String), expiresAt: expect.any(String) },
    ...{ ttlSeconds: expect.any(Number), authorityId: expect.any(String) },
  })

  // Of a flood of strangers a part is on record, and of the others how many they were, also where nobody comes after them.
  const before = lines.length
  // Over few connections: whoever begins too many handshakes at once on a slow machine is too late with some.
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  onTestFinished(() => agent.destroy())
  const stranger = { method: 'POST', headers: formHeaders, body: form(wish), agent }
  const flood = Array.from({ length: 70 }, () =>
    ask(server.port, server.certificate, '/oauth/token', stranger),
  )
  for (const { status } of await Promise.all(flood)) expect(status).toBe(401)
  await server.stop()
  const after = recorded().slice(before)
  const stopped = after.find(({ kind }) => kind === 'server.stopped')
  const denied = after.flatMap(({ kind, details }) =>
    kind === 'token.denied' ? [1 + Number(details?.['leftOut'] ?? 0)] : [],
  )
  // None where this machine took so long that there was room for all.
  const left = Number(stopped?.details?.['deniedLeftOut'] ?? 0)
  expect(denied.reduce((sum, one) => sum + one, left)).toBe(70)
})
