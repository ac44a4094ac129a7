import { CountersignError } from '../errors.ts'
import type { LogLevel } from '../runtime/log.ts'
import type { Logger } from './gen/spire/api/types/Logger.ts'

type WireLevel = Logger['current_level']

/** SPIRE has levels beyond ours at both ends. */
const fromWire: Readonly<Record<Exclude<WireLevel, 'UNSPECIFIED'>, LogLevel>> = {
  PANIC: 'error',
  FATAL: 'error',
  ERROR: 'error',
  WARN: 'warn',
  INFO: 'info',
  DEBUG: 'debug',
  TRACE: 'debug',
}

const toWire = {
  error: 'ERROR',
  warn: 'WARN',
  info: 'INFO',
  debug: 'DEBUG',
} as const satisfies Record<LogLevel, WireLevel>

export function logLevelToWire(level: LogLevel): WireLevel {
  return toWire[level]
}

/** Throws `invalid` / `log-level`. */
export function logLevelFromWire(level: WireLevel): LogLevel {
  const known = level === 'UNSPECIFIED' ? undefined : fromWire[level]
  if (known !== undefined) return known
  throw new CountersignError('invalid', 'newLevel value cannot be LogLevel_UNSPECIFIED', {
    reason: 'log-level',
    fix: 'name one of error, warn, info, debug',
  })
}
