import type { Caller } from '../workload-attestation/caller.ts'
import type { Connection } from './connections.ts'

/** One connection's other end. */
export interface Peer {
  readonly caller: Caller
  readonly connection: Connection
}
