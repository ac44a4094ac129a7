import { hash } from 'node:crypto'
import { setImmediate } from 'node:timers/promises'
import { beforeAll, expect, test } from 'vitest'
import { type CanariesDeps, runCanaries } from '../../../../server/oauth/canaries.ts'
import { type FlightDeps, flyCanary } from '../../../../server/oauth/canary-flight.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { canaryId } from '../../../../src/spiffe-id/reserved.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import type { X509Svid } from '../../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { orders, resourceOf } from '../../../support/oauth.ts'
import { bundleOf, type Made, root } from '../../../support/x509-fixtures.ts'
import { svidOf, TestSource } from '../../mtls/test-source.ts'

const trustDomain = TrustDomain.parse('here.test')
const canary = canaryId(trustDomain)
const patienceMs = 3000
let ca: Made
let svid: X509Svid

beforeAll(async () => {
  ca = await root('ca')
  svid = await svidOf(ca, 'spiffe://here.test/spire/server')
})

/** `takes`: what the service says, by how long ago it was revoked; undefined: it was not. */
function start(
  takes: (revokedForMs: number | undefined) => boolean | Promise<boolean>,
  broken: Partial<FlightDeps> = {},
) {
  const clock = new FakeClock()
  const minted: unknown[] = []
  const written: unknown[] = []
  const events: AuditEvent[] = []
  let revokedMs: number | undefined
  const deps = {
    ...{ trustDomain, issuer: 'https://as.example.org', patienceMs, clock },
    source: new TestSource(svid, bundleOf('here.test', ca)),
    ca: {
      async issueAccessToken(wish: unknown) {
        minted.push(wish)
        return { token: 'a.token', expiresAt: new Date(clock.now().getTime() + 60_000) }
      },
    },
    store: {
      write: async (job: (tx: unknown) => unknown) =>
        job({ audit: (event: AuditEvent) => void events.push(event) }),
    },
    revocations: { write: async (_: unknown, facts: unknown[]) => void written.push(...facts) },
    changes: {
      async reached() {
        revokedMs = clock.monotonicMs()
      },
    },
    ...broken,
  } as unknown as FlightDeps
  const call = {
    takes: async () => takes(revokedMs === undefined ? undefined : clock.monotonicMs() - revokedMs),
    close() {},
  }
  const stop = new AbortController()
  return {
    clock,
    minted,
    written,
    events,
    stop,
    flight: flyCanary(orders, call, deps, stop.signal),
  }
}

test('a canary is of the reserved subject, for the resource, with its one scope, bound to the server’s certificate', async () => {
  const { flight, minted, written, events } = start((forMs) => forMs === undefined)
  expect(await flight).toEqual({ refusedAfterMs: 0 })
  expect(minted).toMatchObject([
    {
      ...{ spiffeId: canary, audience: orders, ttlSeconds: 60, notAfter: svid.expiresAt },
      claims: {
        ...{ client_id: canary, scope: 'countersign:canary' },
        cnf: { 'x5t#S256': hash('sha256', svid.chain[0] ?? '', 'base64url') },
      },
      audit: { reason: 'canary' },
    },
  ])
  const [{ jti }] = minted as [{ jti: string }]
  // Outsiders are not told of it, by this mark.
  expect(written).toMatchObject([{ kind: 'token', id: jti, canary: true }])
  expect(events).toMatchObject([{ kind: 'revocation.written', jti, reason: 'canary' }])
})

test('how long a service takes it is counted from its revocation on', async () => {
  const { clock, flight } = start((forMs) => forMs === undefined || forMs < 1000)
  await clock.advance(1000)
  expect(await flight).toEqual({ refusedAfterMs: 1000 })
})

test('a service that refuses what is good has shown nothing, and nothing is revoked', async () => {
  const { flight, written } = start(() => false)
  expect(await flight).toEqual({ failure: 'not-taken' })
  expect(written).toEqual([])
})

test('a service that refuses at no time is not waited for any longer than there is patience', async () => {
  const { clock, flight } = start(() => true)
  await clock.advance(patienceMs)
  expect(clock.sleeping).toBe(1)
  await clock.advance(5)
  expect(await flight).toEqual({ failure: 'not-refused' })
})

test('it is told apart whether the service or the server itself failed', async () => {
  const unreachable = new CountersignError('unavailable', 'x', { reason: 'self-test-unreachable' })
  const fails = async () => Promise.reject(new Error('the disk is full'))
  expect(await start(() => Promise.reject(unreachable)).flight).toEqual({
    failure: 'unreachable',
    error: unreachable,
  })
  const own = { failure: 'not-issued', error: new Error('the disk is full') }
  expect(await start(() => true, { ca: { issueAccessToken: fails } }).flight).toEqual(own)
  expect(await start(() => true, { store: { write: fails } }).flight).toEqual(own)
})

test('a stop of the server is no failure of a service', async () => {
  const { clock, flight, stop } = start(() => true)
  const ended = expect(flight).rejects.toThrow('stop')
  await clock.advance(10)
  stop.abort(new Error('stop'))
  await ended
})

test('why no canary could be issued is said once, beside the alarm', async () => {
  const stop = new AbortController()
  const said: (readonly [string, unknown])[] = []
  const say = (message: string, fields: unknown): void => void said.push([message, fields])
  const flights: unknown[] = []
  const clock = new FakeClock()
  const resource = resourceOf(orders, { selfTest: new URL('https://localhost:1/') })
  const deps = {
    settings: {
      issuer: 'https://as.example.org',
      resources: new Map([[orders, resource]]),
      canary: { everySeconds: 1, alarmAfterSeconds: 1 },
    },
    ...{ trustDomain, clock, append: async () => {}, random: () => 0.5 },
    source: new TestSource(svid, bundleOf('here.test', ca)),
    ca: {
      async issueAccessToken() {
        throw new CountersignError('unavailable', 'no key signs', { reason: 'no-authority' })
      },
    },
    observe: (...what: unknown[]) => void flights.push(what),
    log: { ...silentLog, warn: say, error: say, info: say },
  } as unknown as CanariesDeps
  const running = runCanaries(deps, stop.signal)
  running.catch(() => {})
  for (; flights.length < 3; await setImmediate()) await clock.advance(1000)
  const fields = { resource: orders, failure: 'not-issued', error: { reason: 'no-authority' } }
  expect(said).toMatchObject([
    ['a service cannot be tried with a canary', fields],
    ['a service may take tokens that were revoked', { resource: orders, reason: 'not-issued' }],
  ])
  stop.abort()
})

test('a service without a self-test is not tried, and a server without any goes on', async () => {
  const stop = new AbortController()
  const observed: unknown[] = []
  const deps = {
    settings: {
      issuer: 'https://as.example.org',
      resources: new Map([[orders, resourceOf(orders)]]),
      canary: { everySeconds: 1, alarmAfterSeconds: 1 },
    },
    ...{ clock: new FakeClock(), observe: (...what: unknown[]) => void observed.push(what) },
  } as unknown as CanariesDeps
  let isOver = false
  const running = runCanaries(deps, stop.signal).finally(() => {
    isOver = true
  })
  running.catch(() => {})
  await (deps.clock as FakeClock).advance(10_000)
  expect([observed, isOver]).toEqual([[], false])
  stop.abort()
})
