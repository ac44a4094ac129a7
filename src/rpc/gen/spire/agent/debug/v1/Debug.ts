import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { GetInfoRequest$Input as _spire_agent_debug_v1_GetInfoRequest$Input, GetInfoRequest as _spire_agent_debug_v1_GetInfoRequest } from '../../../../spire/agent/debug/v1/GetInfoRequest.ts';
import type { GetInfoResponse$Input as _spire_agent_debug_v1_GetInfoResponse$Input, GetInfoResponse as _spire_agent_debug_v1_GetInfoResponse } from '../../../../spire/agent/debug/v1/GetInfoResponse.ts';

export interface DebugClient extends grpc.Client {
  GetInfo(argument: _spire_agent_debug_v1_GetInfoRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_agent_debug_v1_GetInfoResponse>): grpc.ClientUnaryCall;
  GetInfo(argument: _spire_agent_debug_v1_GetInfoRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_agent_debug_v1_GetInfoResponse>): grpc.ClientUnaryCall;
  GetInfo(argument: _spire_agent_debug_v1_GetInfoRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_agent_debug_v1_GetInfoResponse>): grpc.ClientUnaryCall;
  GetInfo(argument: _spire_agent_debug_v1_GetInfoRequest$Input, callback: grpc.requestCallback<_spire_agent_debug_v1_GetInfoResponse>): grpc.ClientUnaryCall;
  getInfo(argument: _spire_agent_debug_v1_GetInfoRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_agent_debug_v1_GetInfoResponse>): grpc.ClientUnaryCall;
  getInfo(argument: _spire_agent_debug_v1_GetInfoRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_agent_debug_v1_GetInfoResponse>): grpc.ClientUnaryCall;
  getInfo(argument: _spire_agent_debug_v1_GetInfoRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_agent_debug_v1_GetInfoResponse>): grpc.ClientUnaryCall;
  getInfo(argument: _spire_agent_debug_v1_GetInfoRequest$Input, callback: grpc.requestCallback<_spire_agent_debug_v1_GetInfoResponse>): grpc.ClientUnaryCall;
  
}

export interface DebugHandlers extends grpc.UntypedServiceImplementation {
  GetInfo: grpc.handleUnaryCall<_spire_agent_debug_v1_GetInfoRequest, _spire_agent_debug_v1_GetInfoResponse$Input>;
  
}

export interface DebugDefinition extends grpc.ServiceDefinition {
  GetInfo: MethodDefinition<_spire_agent_debug_v1_GetInfoRequest$Input, _spire_agent_debug_v1_GetInfoResponse$Input, _spire_agent_debug_v1_GetInfoRequest, _spire_agent_debug_v1_GetInfoResponse>
}
