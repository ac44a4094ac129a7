import type { Selector } from '../../src/entry/entry.ts'

/** Device and inode of the file that a process runs: what stays the same however it is named. */
export interface FileIdentity {
  readonly device: bigint
  readonly inode: bigint
}

/**
 * A process that asks, as it was found right before its attestors are called. The pid names this
 * process for as long as the answer counts: whoever calls the attestors checks that afterwards.
 */
export interface PeerProcess {
  readonly pid: number
  /** Effective, from the socket; /proc says the same. */
  readonly uid: number
  readonly gid: number
  readonly supplementaryGids: readonly number[]
  /** undefined where the agent may not see the file of another user's process. */
  readonly executable: FileIdentity | undefined
}

/** The call that somebody is attested for. An AbortController is one. */
export interface Asking {
  /** Aborts when the call ends, or the time for an answer. Made when it is asked for, since most calls need none. */
  readonly signal: AbortSignal
}

/** Tells what can be said of a process from outside of it. One file a method. */
export interface WorkloadAttestor {
  /** A name for logs and metrics. */
  readonly type: string
  /**
   * What is known at once is returned as it is; what takes time comes as a promise, without blocking
   * the loop. Throws where it cannot tell: its selectors are then missing, which is logged and counted.
   */
  attest(process: PeerProcess, call: Asking): readonly Selector[] | Promise<readonly Selector[]>
}
