import type { Selector } from '../../src/entry/entry.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import type { WriteTx } from '../store/store.ts'

/** What an attestor has found out of a node. */
export interface AttestedNode {
  readonly agentId: SpiffeId
  readonly selectors: readonly Selector[]
  /** Whether the same proof can be given again, so that the node needs no operator after an outage. */
  readonly canReattest: boolean
}

export interface NodeEvidence {
  readonly payload: Buffer
  /** Sends a challenge over the stream and resolves with the answer. */
  challenge(challenge: Buffer): Promise<Buffer>
}

/**
 * One way to prove a node, server side. `verify` looks at the evidence and may challenge; what it
 * returns runs inside the transaction that records the agent, so that a proof that is good once is
 * used up there and nowhere else. Both throw `forbidden` or `invalid` to refuse.
 */
export interface NodeAttestor {
  readonly type: string
  verify(evidence: NodeEvidence): Promise<(tx: WriteTx) => Promise<AttestedNode>>
}
