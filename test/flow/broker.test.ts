import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import { caller, type RunningBroker, startBroker, vendorKey } from '../support/running-broker.ts'

let broker: RunningBroker
let web: X509Svid
let other: X509Svid

beforeAll(async () => {
  broker = await startBroker({ acme: { svid_alone: true } })
  web = await broker.api.trustDomain.issueX509(SpiffeId.parse(caller))
  other = await broker.api.trustDomain.issueX509(SpiffeId.parse('spiffe://example.org/other'))
})

afterAll(() => broker?.stop())

describe('a workload calls a vendor', () => {
  test('with an access token for the integration, and the vendor gets the key and never the token', async () => {
    const token = await broker.token()
    const reply = await broker.call({
      token,
      path: '/acme/v2/contacts?page=2',
      headers: ['accept: application/json'],
    })
    expect([reply.status, reply.body]).toEqual([200, 'hi'])
    const sent = broker.vendor.requests.at(-1) ?? ''
    expect(sent).toMatch(/^GET \/v2\/contacts\?page=2 HTTP\/1\.1\r\n/)
    expect(sent).toContain(`\r\nx-api-key: ${vendorKey}\r\n`)
    expect(sent).toContain('\r\naccept: application/json\r\n')
    expect(sent).toContain('\r\naccept-encoding: identity\r\n')
    expect(sent).not.toContain(token)
    expect(sent.toLowerCase()).not.toContain('authorization')
  })

  test('with its X.509-SVID alone, where the integration takes that', async () => {
    expect((await broker.call({ svid: web })).status).toBe(200)
    expect((await broker.call({ svid: other })).reason).toBe('policy-none')
    expect((await broker.call()).reason).toBe('token-missing')
  })

  test('T30 with a token that is bound to its certificate, with that certificate alone', async () => {
    const thumbprint = createHash('sha256')
      .update(web.chain[0] ?? '')
      .digest('base64url')
    const token = await broker.token({ cnf: { 'x5t#S256': thumbprint } })
    expect((await broker.call({ token, svid: web })).status).toBe(200)
    expect((await broker.call({ token })).reason).toBe('token-binding')
    expect((await broker.call({ token, svid: other })).reason).toBe('token-binding')
  })

  test('each call is on record before it is sent: who, for whom, which policy, and no secret', async () => {
    const calls = () => broker.trail().filter(({ kind }) => kind === 'broker.called').length
    let before = 0
    broker.vendor.answer = () => {
      before = calls()
      return 'HTTP/1.1 204 No Content\r\n\r\n'
    }
    const already = calls()
    expect(
      (
        await broker.call({
          token: await broker.token(),
          method: 'DELETE',
          path: '/acme/v2/contacts/7?q=private',
        })
      ).status,
    ).toBe(204)
    expect(before).toBe(already + 1)
    expect(broker.trail().findLast(({ kind }) => kind === 'broker.called')).toMatchObject({
      actor: { id: caller, entryId: 'entry-1', owner: 'web-team', auth: 'token' },
      subject: caller,
      transaction: 'transaction-1',
      purpose: 'reads contacts',
      audience: [broker.audience()],
      resourceOwner: 'sales',
      decision: 'allow',
      policies: ['web-calls-acme'],
      details: { integration: 'acme', method: 'DELETE', path: '/v2/contacts/7' },
    })
    const trail = readFileSync(broker.config.auditFile, 'utf8')
    for (const secret of [vendorKey, 'private']) {
      expect(trail).not.toContain(secret)
      expect(broker.log()).not.toContain(secret)
    }
  })
})
