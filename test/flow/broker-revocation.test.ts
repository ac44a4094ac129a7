import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../src/svid/x509-svid.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { toPem } from '../../src/x509/pem.ts'
import { freePort } from '../support/free-port.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import { type RunningBroker, startBroker, startBrokerIn } from '../support/running-broker.ts'

const open = { svid_alone: true }
let broker: RunningBroker
let stolen: X509Svid

beforeAll(async () => {
  broker = await startBroker({
    policy: '@id("all") permit (principal, action == Action::"callVendor", resource);',
    feed: true,
    acme: open,
  })
  stolen = await svidOf('stolen')
  const svid = await svidOf('first')
  await eventually(async () => (await broker.call({ svid })).status === 200)
})

afterAll(() => broker?.stop())

beforeEach(() => {
  broker.vendor.answer = () => 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi'
})

function idOf(name: string): SpiffeId {
  return SpiffeId.parse(`spiffe://example.org/${name}`)
}

function svidOf(name: string): Promise<X509Svid> {
  return broker.api.trustDomain.issueX509(idOf(name))
}

const nowSeconds = (): number => Math.floor(Date.now() / 1000)

/** A call whose answer has begun and does not end; `rest` is what the caller gets of it. */
function underWay(by: X509Svid | string): Promise<{ readonly rest: Promise<string> }> {
  broker.vendor.answer = () => [
    'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n',
    '2\r\nhi\r\n',
  ]
  return broker.underWay(typeof by === 'string' ? { token: by } : { svid: by })
}

/** How long it takes until the call is cut, in milliseconds. */
async function cutAfter(by: X509Svid | string, revoke: () => void): Promise<number> {
  const { rest } = await underWay(by)
  const startedMs = performance.now()
  revoke()
  expect((await rest).endsWith('\r\n0\r\n\r\n')).toBe(false)
  return performance.now() - startedMs
}

describe('what was revoked makes no call any more:', () => {
  test('a token, and all that came of the same transaction', async () => {
    const token = await broker.token({ jti: 'one', txn: 'first' })
    const sibling = await broker.token({ jti: 'two', txn: 'first' })
    expect((await broker.decided({ token })).status).toBe(200)
    broker.issuer.revoke({ kind: 'token', id: 'one', notBefore: 0 })
    await eventually(async () => (await broker.call({ token })).reason === 'token-revoked')
    expect((await broker.decided({ token: sibling })).status).toBe(200)
    broker.issuer.revoke({ kind: 'transaction', id: 'first', notBefore: 0 })
    await eventually(async () => (await broker.call({ token: sibling })).reason === 'token-revoked')
  })

  test('what an entry has given that was deleted or disabled, and of no other entry', async () => {
    const [token, other] = await Promise.all(
      ['off', 'on'].map((entry) => broker.token({ entry_id: entry, jti: entry, txn: entry })),
    )
    expect((await broker.decided({ token })).status).toBe(200)
    broker.issuer.revoke({ kind: 'entry', id: 'off', notBefore: nowSeconds() })
    await eventually(async () => (await broker.call({ token })).reason === 'token-revoked')
    expect((await broker.decided({ token: other })).status).toBe(200)
  })

  test('an actor on the way, however deep', async () => {
    const act = { sub: idOf('web'), act: { sub: idOf('middle') } }
    const token = await broker.token({ sub: idOf('first'), act })
    expect((await broker.decided({ token })).status).toBe(200)
    broker.issuer.revoke({ kind: 'spiffe-id', id: idOf('middle'), notBefore: nowSeconds() })
    await eventually(async () => (await broker.call({ token })).reason === 'token-revoked')
  })

  test('a workload by its SVID alone, at once, and its call under way', async () => {
    const svid = await svidOf('gone')
    const revoke = () =>
      broker.issuer.revoke({ kind: 'spiffe-id', id: idOf('gone'), notBefore: nowSeconds() })
    expect(await cutAfter(svid, revoke)).toBeLessThan(PROMPT_MS)
    expect((await broker.decided({ svid })).reason).toBe('caller-revoked')
    broker.vendor.answer = () => 'HTTP/1.1 204 No\r\n\r\n'
    expect((await broker.decided({ svid: await svidOf('other') })).status).toBe(204)
  })
})

test('an SVID that was issued before its ID was revoked opens no later connection either, and the next one does', async () => {
  expect((await broker.decided({ svid: stolen })).status).toBe(200)
  broker.issuer.revoke({ kind: 'spiffe-id', id: idOf('back'), notBefore: nowSeconds() - 1 })
  // It is for an hour, and dated 10 s back.
  const notBefore = Math.floor(stolen.expiresAt.getTime() / 1000) - 3600
  broker.issuer.revoke({ kind: 'spiffe-id', id: idOf('stolen'), notBefore })
  await eventually(async () => (await broker.call({ svid: stolen })).reason === 'caller-revoked')
  expect((await broker.decided({ svid: await svidOf('back') })).status).toBe(200)
})

// Each hits what was issued before the next one, and before all others.
test.each([
  ['the token itself', 'token', 30],
  ['the resource that it is for', 'audience', 20],
  ['the key that has signed it', 'key', 10],
] as const)(
  'a call under way by a token is cut off at once by a revocation of %s',
  async (_, kind, seconds) => {
    const iat = nowSeconds() - seconds
    const token = await broker.token({ jti: kind, iat })
    const ids = { token: kind, audience: broker.audience(), key: 'tokens' }
    const notBefore = kind === 'token' ? 0 : iat
    const revoke = () => broker.issuer.revoke({ kind, id: ids[kind], notBefore })
    expect(await cutAfter(token, revoke)).toBeLessThan(PROMPT_MS)
    expect((await broker.decided({ token })).reason).toBe('token-revoked')
  },
)

test('a call that was under way when the configuration was read again is cut off all the same', async () => {
  const svid = await svidOf('before')
  const { rest } = await underWay(svid)
  await broker.reload({ acme: open })
  broker.issuer.revoke({ kind: 'spiffe-id', id: idOf('before'), notBefore: nowSeconds() })
  expect((await rest).endsWith('\r\n0\r\n\r\n')).toBe(false)
})

test('while the feed is silent nobody is served, and nothing is sent', async () => {
  const svid = await svidOf('caller')
  broker.issuer.speak(false)
  await eventually(async () => (await broker.call({ svid })).reason === 'revocation-unknown')
  const before = broker.vendor.requests.length
  const { status, reason } = await broker.call({ token: await broker.token() })
  expect([status, reason, broker.vendor.requests.length]).toEqual([
    503,
    'revocation-unknown',
    before,
  ])
  broker.issuer.speak(true)
  await eventually(async () => (await broker.call({ svid })).status === 200)
})

test('while the feed is silent a call under way is cut off after some seconds, on record', async () => {
  const svid = await svidOf('long')
  const { rest } = await underWay(svid)
  broker.issuer.speak(false)
  expect((await rest).endsWith('\r\n0\r\n\r\n')).toBe(false)
  broker.issuer.speak(true)
  const failed = () => broker.trail().findLast(({ kind }) => kind === 'broker.failed')
  await eventually(() => failed()?.reason === 'revocation-unknown')
  broker.vendor.answer = () => 'HTTP/1.1 204 No\r\n\r\n'
  await eventually(async () => (await broker.call({ svid })).status === 204)
})

describe('an integration that was revoked is shut for everybody,', () => {
  const reopen = (changed: object) => broker.reload({ acme: { ...open, ...changed } })

  test('by its name or its URL, until it is opened again by hand', async () => {
    const svid = await svidOf('caller')
    for (const [at, id] of ['acme', broker.audience()].entries()) {
      // Later than what has opened it.
      const notBefore = nowSeconds() + 2 * at
      const revoke = () => broker.issuer.revoke({ kind: 'integration', id, notBefore })
      expect(await cutAfter(svid, revoke)).toBeLessThan(PROMPT_MS)
      // What the issuer no longer tells of is not forgotten here.
      const state = join(broker.config.dataDir, 'credentials.json')
      expect(JSON.parse(readFileSync(state, 'utf8')).integrations.acme.closedAt).toBeDefined()
      const token = await broker.token({ iat: notBefore + 1 })
      for (const call of [{ svid }, { token }]) {
        expect((await broker.decided(call)).reason).toBe('integration-closed')
      }
      // A reload, or a new start, opens nothing.
      await broker.reload({ acme: open })
      expect((await broker.decided({ svid })).reason).toBe('integration-closed')
      // It was shut when the broker heard of it, which may be later than the second that was named.
      const reopened = Math.max((notBefore + 1) * 1000, Date.now())
      await reopen({ reopened: new Date(reopened).toISOString() })
      broker.vendor.answer = () => 'HTTP/1.1 204 No\r\n\r\n'
      await eventually(async () => (await broker.call({ svid })).status === 204)
    }
  })

  test('by a broker too that was away meanwhile', async () => {
    broker.issuer.revoke({ kind: 'integration', id: 'acme', notBefore: nowSeconds() })
    const { socket = '', issuer, issuerCa = '' } = broker.config
    const { x509Authorities } = broker.api.trustDomain.bundle
    const authorities = x509Authorities.map(({ certificate }) => toPem('CERTIFICATE', certificate))
    const world = { socket, issuer, issuerCa, authorities, port: await freePort() }
    const late = await startBrokerIn(world, { feed: true, acme: open })
    onTestFinished(() => late.stop())
    const svid = await svidOf('caller')
    await eventually(async () => (await late.call({ svid })).reason === 'integration-closed')
    expect(late.vendor.requests).toEqual([])
    await reopen({ reopened: new Date(Date.now() + 1000).toISOString() })
  })

  test('when its owner is offboarded', async () => {
    const svid = await svidOf('caller')
    broker.issuer.revoke({ kind: 'owner', id: 'sales', notBefore: nowSeconds() + 10 })
    await eventually(async () => (await broker.call({ svid })).reason === 'integration-closed')
    await reopen({ owner: 'marketing', reopened: new Date(Date.now() + 60_000).toISOString() })
    await eventually(async () => (await broker.call({ svid })).status === 200)
  })
})
