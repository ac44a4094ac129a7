import type { SetLogLevelRequest } from '../../src/rpc/gen/spire/api/agent/logger/v1/SetLogLevelRequest.ts'
import type { Logger } from '../../src/rpc/gen/spire/api/types/Logger.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { logLevelFromWire, logLevelToWire } from '../../src/rpc/log-level.ts'
import type { LevelSwitch, Log, LogLevel } from '../../src/runtime/log.ts'
import type { AdminCaller } from './delegated-identity.ts'

/** spire.api.agent.logger.v1.Logger */
export function loggerHandlers({
  log,
  logLevel,
}: {
  readonly log: Log
  readonly logLevel: LevelSwitch
}): Record<string, RpcHandler<AdminCaller>> {
  const state = (): Logger => ({
    current_level: logLevelToWire(logLevel.current),
    launch_level: logLevelToWire(logLevel.launch),
  })
  const change = (level: LogLevel): Logger => {
    log.warn('the log level is changed', { from: logLevel.current, to: level })
    logLevel.set(level)
    return state()
  }
  return {
    GetLogger: unary(state),
    SetLogLevel: unary(({ new_level }: SetLogLevelRequest) => change(logLevelFromWire(new_level))),
    ResetLogLevel: unary(() => change(logLevel.launch)),
  }
}
