import { CountersignError } from '../../src/errors.ts'
import type { SetLogLevelRequest } from '../../src/rpc/gen/spire/api/server/logger/v1/SetLogLevelRequest.ts'
import type { Logger } from '../../src/rpc/gen/spire/api/types/Logger.ts'
import { type RpcHandler, unary } from '../../src/rpc/server.ts'
import type { LogLevel } from '../../src/runtime/log.ts'
import type { Caller } from '../access/caller.ts'
import type { ApiDeps } from './deps.ts'

type WireLevel = SetLogLevelRequest['new_level']

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

/** spire.api.server.logger.v1.Logger */
export function loggerHandlers({
  log,
  logLevel,
}: Pick<ApiDeps, 'log' | 'logLevel'>): Record<string, RpcHandler<Caller>> {
  const state = (): Logger => ({
    current_level: toWire[logLevel.current],
    launch_level: toWire[logLevel.launch],
  })
  const change = (level: LogLevel, { actor, requestId }: Caller): Logger => {
    log.warn('the log level is changed', { from: logLevel.current, to: level, actor, requestId })
    logLevel.set(level)
    return state()
  }
  return {
    GetLogger: unary(state),
    SetLogLevel: unary(({ new_level }: SetLogLevelRequest, { caller }) =>
      change(levelFromWire(new_level), caller),
    ),
    ResetLogLevel: unary((_request: object, { caller }) => change(logLevel.launch, caller)),
  }
}

/** Throws `invalid` / `log-level`. */
function levelFromWire(level: WireLevel): LogLevel {
  const known = level === 'UNSPECIFIED' ? undefined : fromWire[level]
  if (known !== undefined) return known
  throw new CountersignError('invalid', 'newLevel value cannot be LogLevel_UNSPECIFIED', {
    reason: 'log-level',
    fix: 'name one of error, warn, info, debug',
  })
}
