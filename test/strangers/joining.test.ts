import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createClient } from '../../src/rpc/client.ts'
import type { RpcChannel } from '../../src/rpc/dial.ts'
import { type Fields, type Log, silentLog } from '../../src/runtime/log.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { createCsr } from '../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner } from '../../src/x509/key.ts'
import { reasonOf } from '../support/reason-of.ts'
import {
  attest,
  type RunningServer,
  startServer,
  type TestIdentity,
} from '../support/running-server.ts'
import { LONG, scale } from './scale.ts'

const agentService = 'spire.api.server.agent.v1.Agent'
const unlimited = { perSecond: 1_000_000, burst: 1_000_000 }
const logged: string[] = []
const write = (message: string, fields?: Fields): void =>
  void logged.push(`${message} ${JSON.stringify(fields)}`)
const log: Log = {
  ...silentLog,
  info: write,
  warn: write,
  error: write,
  debug: write,
  child: () => log,
}
let server: RunningServer

beforeAll(async () => {
  server = await startServer({
    log,
    overrides: { rateLimits: { attest: unlimited, sign: unlimited, call: unlimited } },
  })
})

afterAll(() => server.remove())

async function newToken(): Promise<string> {
  const patient = { timeoutMs: LONG }
  return (await server.admin(agentService).unary('CreateJoinToken', { ttl: 3600 }, patient)).value
}

async function freshCsr(): Promise<Buffer> {
  return createCsr(softwareSigner((await generateKeyPair('ec-p256')).privateKey))
}

function wireId({ id }: TestIdentity) {
  return { trust_domain: SpiffeId.trustDomainOf(id), path: SpiffeId.pathOf(id) }
}

describe('T17 a join token', () => {
  test('T17 that all show at once lets exactly one in, round after round', {
    timeout: LONG,
  }, async () => {
    const channels = Array.from({ length: 8 }, () => server.dial())
    // A handshake has some seconds, and may take more beside two hundred callers.
    for (const channel of channels) {
      expect(await reasonOf(attest(channel, 'none'))).toBe('join-token-refused')
    }
    for (let round = 0; round < scale(2, 100); round += 1) {
      const token = await newToken()
      const outcomes = await Promise.all(
        Array.from({ length: 200 }, (_, at) =>
          reasonOf(attest(channels[at % channels.length] as RpcChannel, token)),
        ),
      )
      expect(outcomes.filter((outcome) => outcome === 'accepted')).toHaveLength(1)
      expect(outcomes.filter((outcome) => outcome === 'join-token-refused')).toHaveLength(199)
    }
  })

  test('T17 is guessed by nobody: 128 random bits, and one that is nearly right is refused', async () => {
    const tokens = await Promise.all(Array.from({ length: 50 }, newToken))
    expect(new Set(tokens.map((token) => token.slice(0, 8))).size).toBe(50)
    for (const token of tokens) expect(Buffer.from(token, 'hex')).toHaveLength(16)
    const [token = ''] = tokens
    const last = token.endsWith('0') ? '1' : '0'
    for (const guess of [`${token.slice(0, -1)}${last}`, token.slice(0, -1), `${token}0`]) {
      expect(await reasonOf(attest(server.dial(), guess))).toBe('join-token-refused')
    }
    expect(await reasonOf(attest(server.dial(), token))).toBe('accepted')
  })

  test('T17 is in no file of the server and in no line of its log, used or not', async () => {
    const tokens = [await newToken(), await newToken()]
    await attest(server.dial(), tokens[0] ?? '')
    const files = readdirSync(server.folder, { recursive: true, encoding: 'utf8' })
      .map((name) => join(server.folder, name))
      .filter((file) => statSync(file).isFile())
    expect(files.length).toBeGreaterThan(3)
    for (const token of tokens) {
      for (const file of files) expect(readFileSync(file).includes(token)).toBe(false)
      expect(logged.filter((line) => line.includes(token))).toEqual([])
    }
    expect(logged.length).toBeGreaterThan(0)
  })
})

describe('T18 what was sent once', () => {
  /** Sends these messages of AttestAgent; the reason that ends the call, or `accepted`. */
  function say(channel: RpcChannel, messages: readonly object[]): Promise<string> {
    const call = createClient(agentService, channel).bidi('AttestAgent')
    for (const message of messages) call.send(message)
    call.end()
    return reasonOf(
      (async () => {
        for await (const _ of call.responses);
      })(),
    )
  }

  test('T18 gives nothing when it is sent again: not on its channel, not on another, not as somebody else', async () => {
    const params = {
      data: { type: 'join_token', payload: Buffer.from(await newToken()) },
      params: { csr: await freshCsr() },
    }
    const channel = server.dial()
    expect(await say(channel, [{ params }])).toBe('accepted')
    for (const again of [channel, server.dial(), server.dial(await server.joinAgent())]) {
      expect(await say(again, [{ params }])).toBe('join-token-refused')
    }
  })

  test('T18 gives one SVID when it is sent twice on one stream', async () => {
    const params = {
      data: { type: 'join_token', payload: Buffer.from(await newToken()) },
      params: { csr: await freshCsr() },
    }
    const call = createClient(agentService, server.dial()).bidi('AttestAgent')
    call.send({ params })
    call.send({ params })
    call.end()
    let svids = 0
    for await (const { result } of call.responses) if (result !== null) svids += 1
    expect(svids).toBe(1)
  })

  test('T18 an answer that nobody asked for does not stand for the parameters', async () => {
    const answer = { challenge_response: Buffer.from(await newToken()) }
    expect(await say(server.dial(), [answer])).toBe('attest-params')
  })
})

describe('T19 an agent that was', () => {
  test('T19 evicted comes back by a new token alone, not by its SVID and not by its old token', async () => {
    const token = await newToken()
    const agent = await server.joinAgent({ token })
    const admin = server.admin(agentService)
    await admin.unary('DeleteAgent', { id: wireId(agent) })
    const asItself = createClient(agentService, server.dial(agent))
    const renewal = { params: { csr: await freshCsr() } }
    expect(await reasonOf(asItself.unary('RenewAgent', renewal))).toBe('agent-not-attested')
    for (const channel of [server.dial(), server.dial(agent)]) {
      expect(await reasonOf(attest(channel, token))).toBe('join-token-refused')
    }
    const again = await server.joinAgent()
    expect(again.id).not.toBe(agent.id)
    expect(await reasonOf(asItself.unary('RenewAgent', renewal))).toBe('agent-not-attested')
    const { agents } = await admin.unary('ListAgents', {})
    expect(agents.map(({ id }) => id?.path)).toContain(SpiffeId.pathOf(again.id))
    expect(agents.map(({ id }) => id?.path)).not.toContain(SpiffeId.pathOf(agent.id))
    expect(agents.find(({ id }) => id?.path === SpiffeId.pathOf(again.id))?.can_reattest).toBe(
      false,
    )
  })

  test('T19 banned stays out, whatever it shows', async () => {
    const token = await newToken()
    const agent = await server.joinAgent({ token })
    await server.admin(agentService).unary('BanAgent', { id: wireId(agent) })
    const asItself = createClient(agentService, server.dial(agent))
    const renewal = { params: { csr: await freshCsr() } }
    expect(await reasonOf(asItself.unary('RenewAgent', renewal))).toBe('agent-banned')
    expect(await reasonOf(attest(server.dial(), token))).toBe('join-token-refused')
  })
})
