import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { X509Source } from 'countersign'
import { createServer } from 'countersign/http'
import {
  createVerifier,
  type RevocationFeed,
  revocationFeed,
  selfTest,
} from 'countersign/resource-server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'
import { matchId } from '../../src/spiffe-id/matchers.ts'
import { serverId } from '../../src/spiffe-id/reserved.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { ask, issuer, orders, resourceOf } from '../support/oauth.ts'
import { PROMPT_MS } from '../support/prompt.ts'
import { recordsIn } from '../support/records-in.ts'
import { agentIdOf, type RunningAgent, startAgent } from '../support/running-agent.ts'
import { trustDomain, wireEntry } from '../support/running-server.ts'
import { shownBy } from '../support/shown.ts'
import { startTokenServer, type TokenServer } from '../support/token-server.ts'

const service = SpiffeId.of(trustDomain, '/orders')
let monitoring: number
let server: TokenServer
let agent: RunningAgent
let source: X509Source
let stop: AbortController
let feed: RevocationFeed
let tested: Server
/** Whether the service hears of revocations, and how long it takes to heed them. */
let hears = true
let heedsAfterMs = 0
const heard = new Map<unknown, number>()

beforeAll(async () => {
  monitoring = await freePort()
  const port = await freePort()
  const selfTestUrl = new URL(`https://localhost:${port}/.well-known/countersign-self-test`)
  const resource = resourceOf(orders, { servedBy: new Set([service]), selfTest: selfTestUrl })
  server = await startTokenServer({
    oauth: {
      resources: new Map([[orders, resource]]),
      canary: { everySeconds: 0.1, alarmAfterSeconds: 1 },
    },
    overrides: { httpAddress: { host: '127.0.0.1', port: monitoring } },
  })
  const { certificate, port: issuerPort } = server
  agent = await startAgent(server)
  const selectors = [`unix:uid:${process.getuid?.()}`]
  const parent = await agentIdOf(server)
  await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', { entries: [wireEntry({ path: '/orders', parent, selectors })] })
  source = await X509Source.open({ endpoint: `unix://${agent.socket}` })
  const documents = (path: string) => async () => (await ask(issuerPort, certificate, path)).body
  feed = revocationFeed({
    issuer,
    url: `https://localhost:${issuerPort}/oauth/feed`,
    keys: documents('/oauth/feed-keys'),
    clientId: service,
    tls: () => ({
      ca: readFileSync(certificate.ca),
      ...shownBy(source.svid()),
    }),
  })
  stop = new AbortController()
  void feed.run(stop.signal)
  const revocations = {
    fresh: () => feed.fresh(),
    judge(...asked: Parameters<RevocationFeed['judge']>) {
      const fact = hears ? feed.judge(...asked) : undefined
      if (fact === undefined || heedsAfterMs === 0) return fact
      const nowMs = systemClock.monotonicMs()
      const sinceMs = heard.get(fact.id) ?? nowMs
      heard.set(fact.id, sinceMs)
      return nowMs - sinceMs >= heedsAfterMs ? fact : undefined
    },
  }
  const jwks = documents('/oauth/jwks')
  const verifier = createVerifier({ issuer, audience: orders, jwks, revocations })
  const { path, answer } = selfTest({ verifier, server: serverId(trustDomain) })
  tested = createServer(
    { source, authorize: matchId(serverId(trustDomain)) },
    (request, response) => {
      if (request.url === path) void answer(request, response)
      else response.writeHead(404).end()
    },
  )
  tested.listen(port, '127.0.0.1')
  await once(tested, 'listening')
})

afterAll(async () => {
  stop?.abort()
  tested?.close().closeAllConnections()
  await source?.close()
  await agent?.stop()
  await server?.remove()
})

interface Line {
  readonly kind: string
  readonly reason?: string
  readonly scope?: readonly string[]
  readonly spiffeId?: string
}

function onRecord(kind: string): readonly Line[] {
  return recordsIn<Line>(server.config.auditFile).filter((line) => line.kind === kind)
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${monitoring}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(`${name}{`))
  return Number(line?.split(' ').at(-1))
}

/** A flight takes a busy machine longer, and one that stood still makes a late one of it. */
async function soon(condition: () => boolean | Promise<boolean>): Promise<void> {
  await eventually(condition, 40_000)
}

const alarm = async (is: 0 | 1): Promise<boolean> =>
  (await metric('countersign_server_canary_alarm')) === is

test('a service is tried with tokens that open nothing, and how soon it refuses what was revoked is measured', async () => {
  await soon(async () => (await metric('countersign_server_canary_refusal_seconds_count')) >= 3)
  // Before the service listened it could not be tried: that is over.
  await soon(() => alarm(0))
  const took = await metric('countersign_server_canary_refusal_seconds_sum')
  const flights = await metric('countersign_server_canary_refusal_seconds_count')
  // In seconds, and of the refusal, not of a stretch between two trials.
  expect(took / flights).toBeLessThan(PROMPT_MS / 1000)
  const issued = onRecord('token.issued')
  expect(issued.at(-1)).toMatchObject({
    ...{ spiffeId: `spiffe://${trustDomain}/spire/canary`, scope: ['countersign:canary'] },
    reason: 'canary',
  })
  expect(onRecord('revocation.written').at(-1)).toMatchObject({ reason: 'canary' })
})

test('a service that takes longer to refuse than it may is an alarm, until it is as quick as before', async () => {
  const count = 'countersign_server_canary_refusal_seconds_count'
  await soon(() => alarm(0))
  const before = { alarms: onRecord('canary.alarmed').length, refused: await metric(count) }
  heedsAfterMs = 1500
  await soon(async () => (await metric(count)) >= before.refused + 2)
  await soon(() => alarm(1))
  await soon(() => onRecord('canary.alarmed').length > before.alarms)
  heedsAfterMs = 0
  await soon(() => alarm(0))
}, 240_000)

test('a service that does not hear of revocations is an alarm, on record and in the metrics, until it hears again', async () => {
  const alarmOfSilence = async (): Promise<Line | undefined> => {
    await soon(() => alarm(0))
    const before = onRecord('canary.alarmed').length
    const recovered = onRecord('canary.recovered').length
    hears = false
    // The metric tells it a moment before the trail.
    await soon(() => onRecord('canary.alarmed').length > before)
    expect(await alarm(1)).toBe(true)
    hears = true
    await soon(() => alarm(0))
    await soon(() => onRecord('canary.recovered').length > recovered)
    return onRecord('canary.alarmed')[before]
  }
  let told = await alarmOfSilence()
  // On a busy machine the trial that was on its way may have been slow by itself, which is told once.
  while (told?.reason !== 'not-refused') told = await alarmOfSilence()
  expect(onRecord('canary.recovered').at(-1)).toMatchObject({ reason: 'in-time' })
}, 240_000)
