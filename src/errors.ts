/** The class of a failure. */
export type ErrorCode =
  | 'invalid'
  | 'unauthenticated'
  | 'forbidden'
  | 'not-found'
  | 'exists'
  | 'conflict'
  | 'exhausted'
  | 'unavailable'
  | 'deadline'
  | 'cancelled'
  | 'unimplemented'
  | 'internal'

/** What an error says besides its code and its message. */
export interface ErrorOptions {
  readonly reason: string
  readonly fix?: string | undefined
  /** How long the caller should wait before it tries again. */
  readonly retryAfterMs?: number | undefined
  readonly cause?: unknown
}

/**
 * The one error type. Whatever else is thrown is a bug: it reaches a caller as INTERNAL without a
 * text, and the log with its stack.
 *
 * - `code` is the class of failure; `src/rpc/status.ts` alone turns it into a gRPC status.
 * - `reason` is a stable, kebab-case word for programs and tests; it never changes once released.
 * - `message` is lower-case, safe to send to the caller, and never holds a secret.
 * - `fix` tells an operator what to do next; the CLI prints it on a line of its own.
 */
export class CountersignError extends Error {
  readonly code: ErrorCode
  readonly reason: string
  readonly fix: string | undefined
  readonly retryAfterMs: number | undefined

  constructor(code: ErrorCode, message: string, options: ErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.name = 'CountersignError'
    this.code = code
    this.reason = options.reason
    this.fix = options.fix
    this.retryAfterMs = options.retryAfterMs
  }
}

/** The error itself where it is ours, otherwise an INTERNAL one that keeps the original as its cause. */
export function asCountersignError(error: unknown): CountersignError {
  return error instanceof CountersignError
    ? error
    : new CountersignError('internal', 'internal error', { reason: 'internal', cause: error })
}
