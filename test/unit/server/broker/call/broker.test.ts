import { type ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { RateLimiter } from '../../../../../server/access/limits.ts'
import { type BrokerDeps, createBroker } from '../../../../../server/broker/call/broker.ts'
import type { CredentialRecord } from '../../../../../server/broker/keys/credential-file.ts'
import type { Credentials } from '../../../../../server/broker/keys/credentials.ts'
import { keysWith, vendorKey } from '../../../../../server/broker/keys/vendor-key.ts'
import { createBrokerMetrics } from '../../../../../server/broker/metrics.ts'
import { createCalls } from '../../../../../server/broker/routes/calls.ts'
import type { Route } from '../../../../../server/broker/routes/routes.ts'
import type { Integration } from '../../../../../server/broker/settings.ts'
import type { VendorAgent } from '../../../../../server/broker/vendor/vendor-agent.ts'
import type { AuditEvent } from '../../../../../src/audit/event.ts'
import { CountersignError } from '../../../../../src/errors.ts'
import { silentLog } from '../../../../../src/runtime/log.ts'
import { Secret } from '../../../../../src/runtime/secret.ts'
import { SpiffeId } from '../../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'

const maxAgeSeconds = 60
const tooOldMs = 61_000

type Happening = (world: ReturnType<typeof makeWorld>) => void | Promise<void>

/** What comes of a call, where something has come to pass before, or does while the call is put on record. */
async function outcomeOf({ before, meanwhile }: { before?: Happening; meanwhile?: Happening }) {
  const world = makeWorld()
  await before?.(world)
  const { clock, route, credentials, events, standing, peer } = world
  const metrics = createBrokerMetrics({
    ...{ ages: () => [], underWay: () => [], feedAgeMs: () => undefined },
  })
  const serve = createBroker({
    ...{ origin: 'https://broker.test', routes: () => new Map([['acme', route]]), credentials },
    policies: {
      decide: () => ({ allowed: true, policies: [], reason: 'policy-permits' }),
      revision: '1',
    },
    checkStanding: () => standing.check(),
    async append(added) {
      events.push(...added)
      await meanwhile?.(world)
    },
    refusals: {
      // Of these some may be left out.
      async note(event) {
        expect(event.kind).toBe('broker.denied')
        events.push(event)
      },
      leftOut: 0,
    },
    ...{ metrics, clock, log: silentLog },
  } as Partial<BrokerDeps> as BrokerDeps)
  const request = new IncomingMessage(new Socket())
  Object.assign(request, {
    method: 'GET',
    url: '/acme/what-the-caller-chose',
    httpVersion: '1.1',
    complete: true,
  })
  request.rawHeaders = ['Host', 'broker.test']
  const response = new ServerResponse(request)
  await serve(request, response, { peer, address: '127.0.0.1:1' })
  const { reason } = events.at(-1) ?? expect.fail()
  const [counted] = (await metrics.registry.metrics()).match(/(?<=_calls_total){.*/) ?? []
  return { ...world.sent, reason, counted, kinds: events.map(({ kind }) => kind) }
}

function makeWorld() {
  const clock = new FakeClock()
  const sent = { asked: 0, used: 0 }
  const limits = { requestBytes: 1, responseBytes: 1, timeoutMs: 1e6, durationMs: 1e6, calls: 9 }
  const rate = { perSecond: 9, burst: 9 }
  const calls = createCalls('acme', clock, () => true)
  const agent = {
    addRequest() {
      sent.asked += 1
    },
  } as unknown as VendorAgent
  const integration = {
    ...{ id: 'acme', audience: 'https://broker.test/acme', owner: 'sales', svidAlone: true },
    ...{ upstream: new URL('https://api.acme.test'), methods: new Set(['GET']), paths: ['/**'] },
    ...{ inject: { kind: 'header', name: 'x', prefix: '' }, requestHeaders: new Set(), limits },
    ...{ maxAgeSeconds, disabled: false },
  } as unknown as Integration
  const route = {
    ...{ integration, calls, agent },
    keys: keysWith(vendorKey(new Secret('the-key-of-acme'), integration.inject), undefined),
    callers: new RateLimiter(rate, clock),
    all: new RateLimiter(rate, clock),
  } as unknown as Route
  const since = clock.now()
  const credentials = {
    record: () => ({ since }) as CredentialRecord,
    used() {
      sent.used += 1
    },
  } as unknown as Credentials
  const events: AuditEvent[] = []
  const standing = { check: () => {} }
  const spiffeId = SpiffeId.parse('spiffe://example.org/web')
  const peer = { spiffeId, certificate: Buffer.alloc(1), holds: () => true, issuedAt: since }
  return { clock, sent, calls, route, credentials, events, standing, peer }
}

/** T21: labels are the integration and the outcome, and nothing that a caller chooses. */
const countedAs = (reason: string): string => `{integration="acme",outcome="${reason}"} 1`

const unknown = (): never => {
  throw new CountersignError('unavailable', 'x', { reason: 'revocation-unknown' })
}
const revoked = new CountersignError('unauthenticated', 'x', { reason: 'caller-revoked' })

test.each<[string, string, Happening]>([
  ['the integration is shut', 'integration-closed', ({ calls }) => calls.shut()],
  ['the caller is revoked', 'caller-revoked', ({ calls }) => calls.review(() => revoked)],
  [
    'the feed falls silent',
    'revocation-unknown',
    ({ standing }) => {
      standing.check = unknown
    },
  ],
  ['the key grows too old', 'credential-old', ({ clock }) => clock.advance(tooOldMs)],
  [
    'the SVID of the connection counts no more',
    'caller-svid',
    ({ peer, clock }) => {
      peer.holds = () => false
      return clock.advance(250)
    },
  ],
])('where %s while a call is put on record, it is not sent: %s', async (_, reason, meanwhile) => {
  expect(await outcomeOf({ meanwhile })).toEqual({
    ...{ reason, counted: countedAs(reason), asked: 0, used: 0 },
    kinds: ['broker.called', 'broker.denied'],
  })
})

test.each<[string, Happening]>([
  [
    'revocation-unknown',
    ({ standing }) => {
      standing.check = unknown
    },
  ],
  ['credential-old', ({ clock }) => clock.advance(tooOldMs)],
  // It was good when the connection began.
  [
    'caller-svid',
    ({ peer }) => {
      peer.holds = () => false
    },
  ],
])('what is refused as %s is on record as that alone', async (reason, before) => {
  expect(await outcomeOf({ before })).toEqual({
    ...{ reason, counted: countedAs(reason), asked: 0, used: 0 },
    kinds: ['broker.denied'],
  })
})

test('what was sent and came to no answer is on record, however many there are: it is no refusal', async () => {
  const breaks = (request: ClientRequest): void =>
    queueMicrotask(() => request.emit('error', new Error('reset')))
  const before: Happening = ({ route }) => void Object.assign(route.agent, { addRequest: breaks })
  expect(await outcomeOf({ before })).toEqual({
    ...{ reason: 'vendor-broken', counted: countedAs('vendor-broken'), asked: 0, used: 1 },
    kinds: ['broker.called', 'broker.failed'],
  })
})
