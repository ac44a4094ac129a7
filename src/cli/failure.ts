import { CountersignError, type ErrorCode } from '../errors.ts'
import { isAbortError } from '../runtime/tasks.ts'
import { printable } from './output.ts'

/** The exit codes of every verb; `countersign --help` tells them. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 64,
  unavailable: 69,
  tryAgain: 75,
  denied: 77,
  config: 78,
  interrupted: 130,
} as const

const exitOf = {
  invalid: exitCodes.failed,
  unauthenticated: exitCodes.denied,
  forbidden: exitCodes.denied,
  'not-found': exitCodes.failed,
  exists: exitCodes.failed,
  conflict: exitCodes.failed,
  exhausted: exitCodes.tryAgain,
  unavailable: exitCodes.unavailable,
  deadline: exitCodes.tryAgain,
  cancelled: exitCodes.interrupted,
  unimplemented: exitCodes.failed,
  internal: exitCodes.failed,
} as const satisfies Record<ErrorCode, number>

/** What the operator has set up, files and folders with it, is not as it has to be. */
const aboutConfig =
  /^(?:(?:config|wrapping-key)-|(?:data-mode|store-mode|audit-file-(?:loose|owner|kind))$)/

export interface Failure {
  readonly exitCode: number
  /** What goes to standard error: what happened, then what to do next. */
  readonly lines: readonly string[]
}

/** What the command line says of an error, and how it ends. */
export function describeFailure(error: unknown): Failure {
  if (isAbortError(error)) return { exitCode: exitCodes.interrupted, lines: [] }
  if (!(error instanceof CountersignError)) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return {
      exitCode: exitCodes.failed,
      lines: ['error[internal]: this is a bug in countersign', text],
    }
  }
  const exitCode =
    error.reason === 'usage'
      ? exitCodes.usage
      : aboutConfig.test(error.reason)
        ? exitCodes.config
        : exitOf[error.code]
  const fix = error.fix === undefined ? [] : [`  fix: ${printable(error.fix)}`]
  const retry =
    error.retryAfterMs === undefined ? [] : [`  try again in ${Math.ceil(error.retryAfterMs)} ms`]
  return {
    exitCode,
    lines: [`error[${error.reason}]: ${printable(error.message)}`, ...fix, ...retry],
  }
}
