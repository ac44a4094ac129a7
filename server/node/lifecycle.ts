import type { AuditActor } from '../../src/audit/event.ts'
import { CountersignError } from '../../src/errors.ts'
import { agentBanned, agentNotActive, agentNotAttested } from '../../src/rpc/agent-refusal.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { isAgentId } from '../../src/spiffe-id/reserved.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { parseCsr } from '../../src/x509/csr.ts'
import type { Ca } from '../ca/ca.ts'
import type { IssuedX509 } from '../ca/issue-x509.ts'
import type { Changes } from '../changes/changes.ts'
import type { EntryIndex } from '../entry/index.ts'
import type { WriteFacts } from '../revocation/write-facts.ts'
import { compareAndPutAgent, deleteAgent, loadAgents, putAgent } from '../store/agents.ts'
import type { AgentRecord } from '../store/records.ts'
import type { Store, WriteTx } from '../store/store.ts'
import type { AttestedNode, NodeAttestor, NodeEvidence } from './attestor.ts'
import { causesOfBan, causesOfEviction } from './revoked-causes.ts'

export interface NodeDeps {
  readonly trustDomain: TrustDomain
  readonly store: Store
  readonly changes: Changes
  readonly index: EntryIndex
  readonly ca: Ca
  readonly clock: Clock
  /** Puts the revocations that follow from a change into its write. */
  readonly writeFacts: WriteFacts
  readonly attestors: ReadonlyMap<string, NodeAttestor>
}

export interface Act {
  readonly actor: AuditActor
  readonly requestId: string
  readonly trace?: string | undefined
}

export interface Attested {
  readonly svid: IssuedX509
  readonly agentId: SpiffeId
  readonly canReattest: boolean
}

/**
 * Attests a node and gives it its first SVID. It is signed by what was read; the transaction that uses
 * the proof up and records the agent looks at all of it again, and nothing leaves before it is
 * committed. Whatever fails leaves the proof unused.
 */
export async function attestAgent(
  deps: NodeDeps,
  type: string,
  evidence: NodeEvidence,
  csrDer: Buffer,
  act: Act,
): Promise<Attested> {
  const attestor = deps.attestors.get(type)
  if (attestor === undefined) {
    throw new CountersignError('invalid', 'no node attestor of this type is configured', {
      reason: 'node-attestor-unknown',
      fix: `this server knows: ${[...deps.attestors.keys()].join(', ')}`,
    })
  }
  const csr = parseCsr(csrDer)
  await csr.verify()
  const node = await attestor.verify(evidence)
  checkAgentId(deps.trustDomain, node)
  await checkNotBanned(deps.store.db, node.agentId)
  const signed = await deps.ca.signAgentX509(node.agentId, csr.spki, act)
  const position = await deps.store.write(async (tx) => {
    await node.settle(tx)
    await checkNotBanned(tx.db, node.agentId)
    await signed.confirm(tx)
    tx.audit(signed.event)
    const spiffeId = node.agentId
    const details = { attestationType: type }
    tx.audit({ kind: 'agent.attested', spiffeId, details, ...doneNow(deps, act) })
    return putAgent(tx, newRecord(node, signed.svid, type, deps.clock.now()))
  })
  signed.left()
  await deps.changes.reached(position)
  return { svid: signed.svid, agentId: node.agentId, canReattest: node.canReattest }
}

async function checkNotBanned(db: WriteTx['db'], id: SpiffeId): Promise<void> {
  const [before] = await loadAgents(db, [id])
  if (before?.banned !== true) return
  throw new CountersignError('forbidden', 'failed to attest: agent is banned', {
    reason: 'agent-banned',
    fix: 'evict it to let it attest again: countersign agent evict',
  })
}

/** The SVID that an agent has shown. */
export interface ShownSvid {
  readonly spiffeId: SpiffeId
  /** Lower-case hex. */
  readonly serial: string
}

/**
 * Renews the SVID that the agent has shown. The new one is pending until it is first used, so that an
 * answer that got lost locks nobody out.
 */
export async function renewAgent(
  deps: NodeDeps,
  { spiffeId: id, serial }: ShownSvid,
  csrDer: Buffer,
  act: Act,
): Promise<IssuedX509> {
  const csr = parseCsr(csrDer)
  await csr.verify()
  await loadRenewing(deps.store.db, id, serial)
  const signed = await deps.ca.signAgentX509(id, csr.spki, act)
  const position = await deps.store.write(async (tx) => {
    // What was true when it was signed may have ended since.
    const agent = await loadRenewing(tx.db, id, serial)
    await signed.confirm(tx)
    tx.audit(signed.event)
    tx.audit({ kind: 'agent.renewed', spiffeId: id, details: {}, ...doneNow(deps, act) })
    const number = await compareAndPutAgent(tx, agent, {
      ...agent,
      pendingSerial: signed.svid.serial,
      pendingExpiresAt: signed.svid.expiresAt,
    })
    if (number === 0) throw agentNotActive()
    return number
  })
  signed.left()
  await deps.changes.reached(position)
  return signed.svid
}

/** The agent, as long as it may renew the SVID with this serial. */
async function loadRenewing(db: WriteTx['db'], id: SpiffeId, serial: string): Promise<AgentRecord> {
  const agent = await loadShown(db, id)
  if (agent.serial !== serial) throw agentNotActive()
  if (agent.canReattest) {
    throw new CountersignError('forbidden', 'agent must re-attest instead of renewing', {
      reason: 'agent-must-reattest',
    })
  }
  return agent
}

/**
 * The agent has shown its renewed SVID: from now on that one counts and the old one does not. Throws
 * `forbidden` where neither it is pending nor in use any more.
 */
export async function promotePendingSvid(
  deps: Pick<NodeDeps, 'store' | 'changes'>,
  { spiffeId: id, serial }: ShownSvid,
): Promise<void> {
  const position = await deps.store.write(async (tx) => {
    const agent = await loadShown(tx.db, id)
    if (agent.serial === serial) return 0
    if (agent.pendingSerial !== serial) throw agentNotActive()
    return putAgent(tx, {
      ...agent,
      serial,
      expiresAt: agent.pendingExpiresAt ?? agent.expiresAt,
      pendingSerial: '',
      pendingExpiresAt: undefined,
    })
  })
  await deps.changes.reached(position)
}

/** Bars the agent until it is evicted; resolves once this server treats it so. */
export async function banAgent(deps: NodeDeps, id: SpiffeId, act: Act): Promise<void> {
  const position = await deps.store.write(async (tx) => {
    const agent = await loadForUpdate(tx, id)
    tx.audit({ kind: 'agent.banned', spiffeId: id, details: {}, ...doneNow(deps, act) })
    await deps.writeFacts(tx, causesOfBan(deps.index, id))
    return putAgent(tx, {
      ...agent,
      banned: true,
      serial: '',
      pendingSerial: '',
      pendingExpiresAt: undefined,
    })
  })
  await deps.changes.reached(position)
}

/** Forgets the agent: its SVIDs count no more, and it may attest again. */
export async function evictAgent(deps: NodeDeps, id: SpiffeId, act: Act): Promise<void> {
  const position = await deps.store.write(async (tx) => {
    await loadForUpdate(tx, id)
    tx.audit({ kind: 'agent.evicted', spiffeId: id, details: {}, ...doneNow(deps, act) })
    await deps.writeFacts(tx, causesOfEviction(deps.index, id))
    return deleteAgent(tx, id)
  })
  await deps.changes.reached(position)
}

/** Keeps the version that the agent reports. */
export async function setAgentVersion(
  deps: NodeDeps,
  id: SpiffeId,
  version: string,
): Promise<void> {
  if (deps.index.agent(id)?.version === version) return
  await deps.store.write(async (tx) => {
    await putAgent(tx, { ...(await loadShown(tx.db, id)), version })
  })
}

async function loadForUpdate(tx: WriteTx, id: SpiffeId): Promise<AgentRecord> {
  const [agent] = await loadAgents(tx.db, [id])
  if (agent === undefined) throw agentNotFound()
  return agent
}

/** The agent that has called. Throws `forbidden` where it was evicted or banned since. */
async function loadShown(db: WriteTx['db'], id: SpiffeId): Promise<AgentRecord> {
  const [agent] = await loadAgents(db, [id])
  if (agent === undefined) throw agentNotAttested()
  if (agent.banned) throw agentBanned()
  return agent
}

/** What an operator is told who names an agent that there is not. */
export function agentNotFound(): CountersignError {
  return new CountersignError('not-found', 'agent not found', {
    reason: 'agent-not-found',
    fix: 'see which there are with: countersign agent list',
  })
}

/** An attestor may name agents of this trust domain only: nothing else is ever signed for a node. */
function checkAgentId(trustDomain: TrustDomain, node: AttestedNode): void {
  if (SpiffeId.trustDomainOf(node.agentId) !== trustDomain || !isAgentId(node.agentId)) {
    throw new CountersignError('internal', 'the attestor gave an ID that no agent may have', {
      reason: 'agent-id',
    })
  }
}

function newRecord(
  node: AttestedNode,
  svid: IssuedX509,
  attestationType: string,
  now: Date,
): AgentRecord {
  return {
    id: node.agentId,
    attestationType,
    selectors: node.selectors,
    serial: svid.serial,
    expiresAt: svid.expiresAt,
    pendingSerial: '',
    pendingExpiresAt: undefined,
    banned: false,
    canReattest: node.canReattest,
    version: '',
    attestedAt: now,
  }
}

/** What all that is done to an agent has on record. */
function doneNow(deps: Pick<NodeDeps, 'clock'>, act: Act) {
  return { time: deps.clock.now(), decision: 'allow', ...act } as const
}
