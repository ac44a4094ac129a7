import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import type { Ca } from '../../../../server/ca/ca.ts'
import {
  joinTokenAttestor,
  joinTokenType,
  newJoinToken,
} from '../../../../server/node/join-token.ts'
import { attestAgent, type NodeDeps, renewAgent } from '../../../../server/node/lifecycle.ts'
import { loadAgents } from '../../../../server/store/agents.ts'
import { createJoinToken } from '../../../../server/store/join-tokens.ts'
import type { AuthorityKind } from '../../../../server/store/records.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { verifyX509Svid } from '../../../../src/svid/x509-svid.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { createCsr } from '../../../../src/x509/csr.ts'
import { generateKeyPair, softwareSigner, spkiOf } from '../../../../src/x509/key.ts'
import { type RunningCa, startCa, temporaryFolder, trustDomain } from './ca-fixture.ts'

const audit = { actor: { kind: 'server' } } as const
const act = { actor: { kind: 'local', uid: 0, pid: 1 }, requestId: 'r' } as const
const { privateKey } = await generateKeyPair('ec-p256')
const spki = spkiOf(privateKey)
const csr = await createCsr(softwareSigner(privateKey))
const revoked = { code: 'unavailable', reason: 'authority-revoked', retryAfterMs: 1000 }

let clock: FakeClock
let server: RunningCa

beforeEach(async () => {
  clock = new FakeClock()
  const folder = await temporaryFolder()
  server = await startCa({ folder: folder.path, clock })
  onTestFinished(async () => {
    await server[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })
})

/** Another one takes over; the one that has signed is tainted and, if asked, revoked. */
async function replace(kind: AuthorityKind, end: 'taint' | 'revoke'): Promise<void> {
  const { ca } = server
  const before = ca.state(kind).active?.id ?? ''
  const { id } = await ca.prepare(kind, act)
  await ca.activate(kind, id, act)
  await ca.taint(kind, before, act)
  if (end === 'revoke') await ca.revoke(kind, before, act)
}

describe('T26 what was signed by an authority that is revoked before it leaves', () => {
  /** Holds what is issued, signed as it is, until `during` is through. */
  function whileRecording(during: () => Promise<void>): void {
    const { trail } = server
    const append = trail.append.bind(trail)
    let held = false
    const holding = async (events: readonly AuditEvent[]) => {
      const issues = events.some(({ kind }) => kind.endsWith('.issued'))
      if (issues && !held) {
        held = true
        await during()
      }
      return append(events)
    }
    Object.assign(trail, { append: holding })
  }

  const web = SpiffeId.of(trustDomain, '/web')
  const workload = { spiffeId: web, spki, ttlSeconds: 0, kind: 'workload', audit } as const
  const issues: readonly [string, AuthorityKind, (ca: Ca) => Promise<unknown>][] = [
    ['an X509-SVID', 'x509', (ca) => ca.issueX509([workload, workload])],
    ['a JWT-SVID', 'jwt', (ca) => ca.issueJwt({ ...workload, audience: ['db'] })],
    ['a downstream CA', 'x509', (ca) => ca.issueDownstreamCa({ spki, ttlSeconds: 0, audit })],
    ["the server's own SVID", 'x509', (ca) => ca.issueServerIdentity()],
  ]

  test.each(issues)('%s is not handed out; the next is', async (_, kind, issue) => {
    whileRecording(() => replace(kind, 'revoke'))
    await expect(issue(server.ca)).rejects.toMatchObject(revoked)
    await expect(issue(server.ca)).resolves.toBeDefined()
  })

  test.each(issues)('%s is, where it is tainted only', async (_, kind, issue) => {
    whileRecording(() => replace(kind, 'taint'))
    await expect(issue(server.ca)).resolves.toBeDefined()
  })
})

describe('T26 an agent that is signed for by an authority that is revoked before it is recorded', () => {
  let whileSigning: () => Promise<void>
  let deps: NodeDeps
  let agentId: SpiffeId
  const token = 'a token that somebody was given'
  const attest = () => {
    const evidence = {
      payload: Buffer.from(token),
      challenge: () => Promise.reject(new Error('no')),
    }
    return attestAgent(deps, joinTokenType, evidence, csr, act)
  }

  beforeEach(async () => {
    whileSigning = async () => {}
    const { store, ca } = server
    const signAgentX509: Ca['signAgentX509'] = async (...args) => {
      const signed = await ca.signAgentX509(...args)
      await whileSigning()
      return signed
    }
    deps = {
      trustDomain,
      store,
      changes: { reached: async () => {} },
      index: { authorisedFor: () => new Map() },
      writeFacts: async () => 0,
      ca: { signAgentX509 },
      clock,
      attestors: new Map([[joinTokenType, joinTokenAttestor(store, clock)]]),
    } as unknown as NodeDeps
    const expiresAt = new Date(clock.now().getTime() + 600_000)
    const { record } = newJoinToken({ trustDomain, given: token, expiresAt })
    agentId = record.agentId
    await store.write((tx) => createJoinToken(tx, record))
  })

  test('gets nothing, however many asked, and its join token is good for another try', async () => {
    let signed = 0
    const all = Promise.withResolvers<void>()
    whileSigning = () => {
      signed += 1
      if (signed === 50) replace('x509', 'revoke').then(all.resolve, all.reject)
      return all.promise
    }
    const results = await Promise.allSettled(Array.from({ length: 50 }, attest))
    for (const result of results) {
      expect(result).toMatchObject({ status: 'rejected', reason: revoked })
    }
    expect(await loadAgents(server.store.db, [agentId])).toEqual([])
    whileSigning = async () => {}
    const { svid } = await attest()
    await server.caughtUp()
    const bundles = { bundleOf: () => server.bundles.own() }
    expect(verifyX509Svid(svid.chain, bundles, clock.now()).spiffeId).toBe(agentId)
  })

  test('renews nothing, and keeps what it has', async () => {
    const { svid } = await attest()
    const shown = { spiffeId: agentId, serial: svid.serial }
    whileSigning = () => replace('x509', 'revoke')
    await expect(renewAgent(deps, shown, csr, act)).rejects.toMatchObject(revoked)
    const [agent] = await loadAgents(server.store.db, [agentId])
    expect(agent).toMatchObject({ serial: svid.serial, pendingSerial: '' })
    whileSigning = async () => {}
    const renewed = await renewAgent(deps, shown, csr, act)
    expect(renewed.serial).not.toBe(svid.serial)
  })

  test('gets it where the authority is tainted only', async () => {
    whileSigning = () => replace('x509', 'taint')
    expect(await attest()).toMatchObject({ agentId })
  })
})
