import { readFileSync } from 'node:fs'
import { expect, onTestFinished, test } from 'vitest'
import { inStore } from '../../server/oauth/settings.ts'
import { ask, assertionType, form, formHeaders, issuer, orders } from '../support/oauth.ts'
import { mintJwt, someAgent, trustDomain, wireEntry } from '../support/running-server.ts'
import { startTokenServer } from '../support/token-server.ts'

const all = '@id("all") permit (principal, action, resource);'
const exchange = 'urn:ietf:params:oauth:grant-type:token-exchange'
const accessToken = 'urn:ietf:params:oauth:token-type:access_token'

test('W3C Trace Context: what a caller does is on record with the trace that it sends, whatever it is', async () => {
  const server = await startTokenServer({ oauth: { policy: inStore } })
  onTestFinished(() => server.remove())
  let calls = 0
  const traces = new Map<string, string>()
  /** A trace of its own for what comes on record as this kind. */
  const traced = (kind: string): { readonly traceparent: string } => {
    calls += 1
    const traceparent = `00-${String(calls).padStart(32, '0')}-${'b2'.repeat(8)}-01`
    traces.set(kind, traceparent)
    return { traceparent }
  }
  const rpc = (kind: string) => ({ metadata: traced(kind) })
  const post = async (kind: string, path: string, values: Record<string, string>) => {
    const assertion = await mintJwt(server, '/web', issuer)
    const said = { client_assertion_type: assertionType, client_assertion: assertion, ...values }
    const headers = { ...formHeaders, ...traced(kind) }
    const options = { method: 'POST', headers, body: form(said) }
    const { body } = await ask(server.port, server.certificate, path, options)
    return (body === '' ? {} : JSON.parse(body)) as { readonly access_token?: string }
  }

  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const created = await entries.unary(
    'BatchCreateEntry',
    { entries: [wireEntry({ path: '/web', parent: someAgent })] },
    rpc('entry.created'),
  )
  const [id = ''] = created.results.map(({ entry }) => entry?.id)
  const policies = server.admin('countersign.policy.v1.Policies')
  await policies.unary('Apply', { files: [{ name: 'a.cedar', text: all }] }, rpc('policy.applied'))
  await server
    .admin('spire.api.server.svid.v1.SVID')
    .unary(
      'MintJWTSVID',
      { id: { trust_domain: trustDomain, path: '/other' }, audience: ['a'] },
      rpc('svid.jwt.issued'),
    )

  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  await expect
    .poll(async () => (await post('token.issued', '/oauth/token', wish)).access_token)
    .toBeDefined()
  await post('token.denied', '/oauth/token', { ...wish, scope: 'nothing' })
  const { access_token: subject = '' } = await post('token.issued', '/oauth/token', wish)
  const narrower = { ...wish, grant_type: exchange, subject_token: subject }
  await post('token.exchanged', '/oauth/token', { ...narrower, subject_token_type: accessToken })
  await post('revocation.denied', '/oauth/revoke', {})
  await post('revocation.written', '/oauth/revoke', { token: subject })

  await entries.unary(
    'BatchUpdateEntry',
    { entries: [{ id, hint: 'x', x509_svid_ttl: 60 }], input_mask: { x509_svid_ttl: true } },
    rpc('entry.updated'),
  )
  const registry = server.admin('countersign.registry.v1.Registry')
  await registry.unary('BatchDisable', { ids: [id], reason: 'r' }, rpc('entry.disabled'))
  await registry.unary('BatchEnable', { ids: [id], reason: 'r' }, rpc('entry.enabled'))
  await entries.unary('BatchDeleteEntry', { ids: [id] }, rpc('entry.deleted'))

  const lines = readFileSync(server.config.auditFile, 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { readonly kind: string; readonly trace?: string })
  const lastOf = (kind: string) => lines.findLast((line) => line.kind === kind && line.trace)?.trace
  for (const [kind, trace] of traces) expect([kind, lastOf(kind)]).toEqual([kind, trace])
  expect(traces.size).toBe(12)
})
