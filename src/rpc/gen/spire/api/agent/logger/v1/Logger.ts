import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetLoggerRequest$Input as _spire_api_agent_logger_v1_GetLoggerRequest$Input, GetLoggerRequest as _spire_api_agent_logger_v1_GetLoggerRequest } from '../../../../../spire/api/agent/logger/v1/GetLoggerRequest.ts';
import type { Logger$Input as _spire_api_types_Logger$Input, Logger as _spire_api_types_Logger } from '../../../../../spire/api/types/Logger.ts';
import type { ResetLogLevelRequest$Input as _spire_api_agent_logger_v1_ResetLogLevelRequest$Input, ResetLogLevelRequest as _spire_api_agent_logger_v1_ResetLogLevelRequest } from '../../../../../spire/api/agent/logger/v1/ResetLogLevelRequest.ts';
import type { SetLogLevelRequest$Input as _spire_api_agent_logger_v1_SetLogLevelRequest$Input, SetLogLevelRequest as _spire_api_agent_logger_v1_SetLogLevelRequest } from '../../../../../spire/api/agent/logger/v1/SetLogLevelRequest.ts';

export interface LoggerClient extends grpc.Client {
  GetLogger(argument: _spire_api_agent_logger_v1_GetLoggerRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  GetLogger(argument: _spire_api_agent_logger_v1_GetLoggerRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  GetLogger(argument: _spire_api_agent_logger_v1_GetLoggerRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  GetLogger(argument: _spire_api_agent_logger_v1_GetLoggerRequest$Input, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  getLogger(argument: _spire_api_agent_logger_v1_GetLoggerRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  getLogger(argument: _spire_api_agent_logger_v1_GetLoggerRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  getLogger(argument: _spire_api_agent_logger_v1_GetLoggerRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  getLogger(argument: _spire_api_agent_logger_v1_GetLoggerRequest$Input, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  
  ResetLogLevel(argument: _spire_api_agent_logger_v1_ResetLogLevelRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  ResetLogLevel(argument: _spire_api_agent_logger_v1_ResetLogLevelRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  ResetLogLevel(argument: _spire_api_agent_logger_v1_ResetLogLevelRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  ResetLogLevel(argument: _spire_api_agent_logger_v1_ResetLogLevelRequest$Input, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  resetLogLevel(argument: _spire_api_agent_logger_v1_ResetLogLevelRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  resetLogLevel(argument: _spire_api_agent_logger_v1_ResetLogLevelRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  resetLogLevel(argument: _spire_api_agent_logger_v1_ResetLogLevelRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  resetLogLevel(argument: _spire_api_agent_logger_v1_ResetLogLevelRequest$Input, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  
  SetLogLevel(argument: _spire_api_agent_logger_v1_SetLogLevelRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  SetLogLevel(argument: _spire_api_agent_logger_v1_SetLogLevelRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  SetLogLevel(argument: _spire_api_agent_logger_v1_SetLogLevelRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  SetLogLevel(argument: _spire_api_agent_logger_v1_SetLogLevelRequest$Input, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  setLogLevel(argument: _spire_api_agent_logger_v1_SetLogLevelRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  setLogLevel(argument: _spire_api_agent_logger_v1_SetLogLevelRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  setLogLevel(argument: _spire_api_agent_logger_v1_SetLogLevelRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  setLogLevel(argument: _spire_api_agent_logger_v1_SetLogLevelRequest$Input, callback: grpc.requestCallback<_spire_api_types_Logger>): grpc.ClientUnaryCall;
  
}

export interface LoggerHandlers extends grpc.UntypedServiceImplementation {
  GetLogger: grpc.handleUnaryCall<_spire_api_agent_logger_v1_GetLoggerRequest, _spire_api_types_Logger$Input>;
  
  ResetLogLevel: grpc.handleUnaryCall<_spire_api_agent_logger_v1_ResetLogLevelRequest, _spire_api_types_Logger$Input>;
  
  SetLogLevel: grpc.handleUnaryCall<_spire_api_agent_logger_v1_SetLogLevelRequest, _spire_api_types_Logger$Input>;
  
}

export interface LoggerDefinition extends grpc.ServiceDefinition {
  GetLogger: MethodDefinition<_spire_api_agent_logger_v1_GetLoggerRequest$Input, _spire_api_types_Logger$Input, _spire_api_agent_logger_v1_GetLoggerRequest, _spire_api_types_Logger>
  ResetLogLevel: MethodDefinition<_spire_api_agent_logger_v1_ResetLogLevelRequest$Input, _spire_api_types_Logger$Input, _spire_api_agent_logger_v1_ResetLogLevelRequest, _spire_api_types_Logger>
  SetLogLevel: MethodDefinition<_spire_api_agent_logger_v1_SetLogLevelRequest$Input, _spire_api_types_Logger$Input, _spire_api_agent_logger_v1_SetLogLevelRequest, _spire_api_types_Logger>
}
