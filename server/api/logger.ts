import type { SetLogLevelRequest } from '../../src/rpc/gen/spire/api/server/logger/v1/SetLogLevelRequest.ts'
import type { Logger } from '../../src/rpc/gen/spire/api/types/Logger.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { logLevelFromWire, logLevelToWire } from '../../src/rpc/log-level.ts'
import type { LogLevel } from '../../src/runtime/log.ts'
import type { Caller } from '../access/caller.ts'
import type { ApiDeps } from './deps.ts'

/** spire.api.server.logger.v1.Logger */
export function loggerHandlers({
  log,
  logLevel,
}: Pick<ApiDeps, 'log' | 'logLevel'>): Record<string, RpcHandler<Caller>> {
  const state = (): Logger => ({
    current_level: logLevelToWire(logLevel.current),
    launch_level: logLevelToWire(logLevel.launch),
  })
  const change = (level: LogLevel, { actor, requestId }: Caller): Logger => {
    log.warn('the log level is changed', { from: logLevel.current, to: level, actor, requestId })
    logLevel.set(level)
    return state()
  }
  return {
    GetLogger: unary(state),
    SetLogLevel: unary(({ new_level }: SetLogLevelRequest, { caller }) =>
      change(logLevelFromWire(new_level), caller),
    ),
    ResetLogLevel: unary((_request: object, { caller }) => change(logLevel.launch, caller)),
  }
}
