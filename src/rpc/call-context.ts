import type { Metadata } from '@grpc/grpc-js'

/** What a handler knows of the call that it serves. */
export interface CallContext<C> {
  readonly caller: C
  /** `/package.Service/Rpc` */
  readonly method: string
  readonly metadata: Metadata
  /** Aborts when the caller leaves, its deadline passes or the server ends the call. */
  readonly signal: AbortSignal
  /** Whether that has happened; without the cost of a signal. */
  readonly ended: boolean
}

/** A call whose responses come when there are any, without somebody who waits for the next. */
export interface PushCall<C> extends CallContext<C> {
  /** Sends an encoded message; `sent` runs once it is on its way, and never where the call ends before. */
  send(message: Buffer, sent: () => void): void
  /** Ends the call with the error. */
  fail(error: unknown): void
  /** Runs at the end of the call, whoever ended it; at once where that is past. */
  onEnd(listener: () => void): void
}
