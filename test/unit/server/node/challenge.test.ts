import { beforeEach, describe, expect, test } from 'vitest'
import { nobody } from '../../../../server/access/caller.ts'
import { agentHandlers } from '../../../../server/api/agent.ts'
import type { NodeAttestor } from '../../../../server/node/attestor.ts'
import { loadAgents } from '../../../../server/store/agents.ts'
import type { Store } from '../../../../server/store/store.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { type BidiCall, createClient } from '../../../../src/rpc/client.ts'
import { serviceDefinition } from '../../../../src/rpc/services.ts'
import type { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { createCsr } from '../../../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner } from '../../../../src/x509/key.ts'
import { reasonOf } from '../../../support/reason-of.ts'
import { serve } from '../../rpc/harness.ts'
import { agentIdOf } from '../entry/samples.ts'
import { tempStore, trustDomain } from '../store/fixture.ts'

const agentService = 'spire.api.server.agent.v1.Agent'
const agentId = agentIdOf('echoing')

/** A kind of proof that takes two rounds: each challenge is to come back with a bang. */
const echo: NodeAttestor = {
  type: 'echo',
  async verify({ payload, challenge }) {
    for (const round of ['1', '2']) {
      const asked = Buffer.concat([payload, Buffer.from(round)])
      const answer = await challenge(asked)
      if (`${answer}` !== `${asked}!`) {
        throw new CountersignError('forbidden', 'that is no echo', { reason: 'echo-wrong' })
      }
    }
    const selectors = [{ type: 'echo', value: `${payload}` }]
    return { agentId, selectors, canReattest: true, settle: async () => {} }
  },
}

const ca = {
  async signAgentX509(spiffeId: SpiffeId) {
    const [notBefore, expiresAt] = [new Date(0), new Date('2026-06-02T12:00:00Z')]
    return {
      svid: { spiffeId, chain: [Buffer.of(1)], serial: '01', notBefore, expiresAt },
      event: { kind: 'svid.x509.issued', time: notBefore, decision: 'allow', actor: {} },
      confirm: async () => {},
      left: () => {},
    }
  },
}

type Attesting = BidiCall<object, { readonly challenge?: Buffer; readonly result: unknown }>

let clock: FakeClock
let store: Store
/** Opens the stream of a node that has sent its parameters. */
let begin: (payload: string) => Promise<Attesting>

beforeEach(async () => {
  clock = new FakeClock()
  store = await tempStore()
  const changes = { reached: async () => {} }
  const attestors = new Map([['echo', echo]])
  const nodes = { trustDomain, store, changes, ca, clock, attestors }
  const { server, dial } = await serve({
    guard: () => nobody({ transport: 'unix', pid: 1, uid: 0 }) as never,
  })
  const handlers = agentHandlers({ nodes, clock } as never)
  server.addService(serviceDefinition(agentService), handlers as never)
  const { privateKey } = await generateKeyPair('ec-p256')
  const csr = await createCsr(softwareSigner(privateKey))
  begin = async (payload) => {
    const call = createClient(agentService, dial()).bidi('AttestAgent')
    call.send({
      params: { data: { type: 'echo', payload: Buffer.from(payload) }, params: { csr } },
    })
    return call as Attesting
  }
})

/** Answers each challenge; tells what was asked, and what came in the end. */
async function converse(
  call: Attesting,
  answer: (challenge: string) => string,
): Promise<{ asked: string[]; result: unknown }> {
  const asked: string[] = []
  for await (const { challenge, result } of call.responses) {
    if (challenge === undefined) return { asked, result }
    asked.push(`${challenge}`)
    call.send({ challenge_response: Buffer.from(answer(`${challenge}`)) })
  }
  return { asked, result: undefined }
}

describe('an attestor that challenges', () => {
  test('asks as often as it likes, and what it has found out is kept of the agent', async () => {
    const { asked, result } = await converse(await begin('node'), (challenge) => `${challenge}!`)
    expect(asked).toEqual(['node1', 'node2'])
    expect(result).toMatchObject({ reattestable: true, svid: { cert_chain: [Buffer.of(1)] } })
    expect(await loadAgents(store.db, [agentId])).toMatchObject([
      { attestationType: 'echo', canReattest: true, selectors: [{ type: 'echo', value: 'node' }] },
    ])
  })

  test('refuses with its own reason at any round, and nothing is kept', async () => {
    for (const round of ['1', '2']) {
      const said = converse(await begin('node'), (challenge) =>
        challenge.endsWith(round) ? 'no' : `${challenge}!`,
      )
      expect(await reasonOf(said)).toBe('echo-wrong')
    }
    expect(await loadAgents(store.db, [agentId])).toEqual([])
  })

  test('T12 waits ten seconds for an answer, and for nobody who has left', async () => {
    const silent = await begin('node')
    const responses = silent.responses[Symbol.asyncIterator]()
    await responses.next()
    const ended = reasonOf(responses.next())
    await expect.poll(() => clock.sleeping).toBe(1)
    await clock.advance(10_000)
    expect(await ended).toBe('request-missing')
    const leaving = await begin('node')
    leaving.end()
    expect(await converse({ ...leaving, send: () => {} }, () => '')).toMatchObject({
      result: undefined,
    })
    expect(clock.sleeping).toBe(0)
  })
})
