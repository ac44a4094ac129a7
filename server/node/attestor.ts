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

/** A node whose proof holds by what was read. */
export interface ProvenNode extends AttestedNode {
  /**
   * Runs inside the transaction that records the agent: a proof that is good once is used up there and
   * nowhere else. Throws as `verify` where it does not hold any more.
   */
  settle(tx: WriteTx): Promise<void>
}

/**
 * One way to prove a node, server side. `verify` looks at the evidence, may challenge, and changes
 * nothing. Throws `forbidden` or `invalid` to refuse.
 */
export interface NodeAttestor {
  readonly type: string
  verify(evidence: NodeEvidence): Promise<ProvenNode>
}
