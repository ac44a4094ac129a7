import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { HealthCheckRequest$Input as _grpc_health_v1_HealthCheckRequest$Input, HealthCheckRequest as _grpc_health_v1_HealthCheckRequest } from '../../../grpc/health/v1/HealthCheckRequest.ts';
import type { HealthCheckResponse$Input as _grpc_health_v1_HealthCheckResponse$Input, HealthCheckResponse as _grpc_health_v1_HealthCheckResponse } from '../../../grpc/health/v1/HealthCheckResponse.ts';
import type { HealthListRequest$Input as _grpc_health_v1_HealthListRequest$Input, HealthListRequest as _grpc_health_v1_HealthListRequest } from '../../../grpc/health/v1/HealthListRequest.ts';
import type { HealthListResponse$Input as _grpc_health_v1_HealthListResponse$Input, HealthListResponse as _grpc_health_v1_HealthListResponse } from '../../../grpc/health/v1/HealthListResponse.ts';

export interface HealthClient extends grpc.Client {
  Check(argument: _grpc_health_v1_HealthCheckRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_grpc_health_v1_HealthCheckResponse>): grpc.ClientUnaryCall;
  Check(argument: _grpc_health_v1_HealthCheckRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_grpc_health_v1_HealthCheckResponse>): grpc.ClientUnaryCall;
  Check(argument: _grpc_health_v1_HealthCheckRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_grpc_health_v1_HealthCheckResponse>): grpc.ClientUnaryCall;
  Check(argument: _grpc_health_v1_HealthCheckRequest$Input, callback: grpc.requestCallback<_grpc_health_v1_HealthCheckResponse>): grpc.ClientUnaryCall;
  check(argument: _grpc_health_v1_HealthCheckRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_grpc_health_v1_HealthCheckResponse>): grpc.ClientUnaryCall;
  check(argument: _grpc_health_v1_HealthCheckRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_grpc_health_v1_HealthCheckResponse>): grpc.ClientUnaryCall;
  check(argument: _grpc_health_v1_HealthCheckRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_grpc_health_v1_HealthCheckResponse>): grpc.ClientUnaryCall;
  check(argument: _grpc_health_v1_HealthCheckRequest$Input, callback: grpc.requestCallback<_grpc_health_v1_HealthCheckResponse>): grpc.ClientUnaryCall;
  
  List(argument: _grpc_health_v1_HealthListRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_grpc_health_v1_HealthListResponse>): grpc.ClientUnaryCall;
  List(argument: _grpc_health_v1_HealthListRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_grpc_health_v1_HealthListResponse>): grpc.ClientUnaryCall;
  List(argument: _grpc_health_v1_HealthListRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_grpc_health_v1_HealthListResponse>): grpc.ClientUnaryCall;
  List(argument: _grpc_health_v1_HealthListRequest$Input, callback: grpc.requestCallback<_grpc_health_v1_HealthListResponse>): grpc.ClientUnaryCall;
  list(argument: _grpc_health_v1_HealthListRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_grpc_health_v1_HealthListResponse>): grpc.ClientUnaryCall;
  list(argument: _grpc_health_v1_HealthListRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_grpc_health_v1_HealthListResponse>): grpc.ClientUnaryCall;
  list(argument: _grpc_health_v1_HealthListRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_grpc_health_v1_HealthListResponse>): grpc.ClientUnaryCall;
  list(argument: _grpc_health_v1_HealthListRequest$Input, callback: grpc.requestCallback<_grpc_health_v1_HealthListResponse>): grpc.ClientUnaryCall;
  
  Watch(argument: _grpc_health_v1_HealthCheckRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_grpc_health_v1_HealthCheckResponse>;
  Watch(argument: _grpc_health_v1_HealthCheckRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_grpc_health_v1_HealthCheckResponse>;
  watch(argument: _grpc_health_v1_HealthCheckRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_grpc_health_v1_HealthCheckResponse>;
  watch(argument: _grpc_health_v1_HealthCheckRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_grpc_health_v1_HealthCheckResponse>;
  
}

export interface HealthHandlers extends grpc.UntypedServiceImplementation {
  Check: grpc.handleUnaryCall<_grpc_health_v1_HealthCheckRequest, _grpc_health_v1_HealthCheckResponse$Input>;
  
  List: grpc.handleUnaryCall<_grpc_health_v1_HealthListRequest, _grpc_health_v1_HealthListResponse$Input>;
  
  Watch: grpc.handleServerStreamingCall<_grpc_health_v1_HealthCheckRequest, _grpc_health_v1_HealthCheckResponse$Input>;
  
}

export interface HealthDefinition extends grpc.ServiceDefinition {
  Check: MethodDefinition<_grpc_health_v1_HealthCheckRequest$Input, _grpc_health_v1_HealthCheckResponse$Input, _grpc_health_v1_HealthCheckRequest, _grpc_health_v1_HealthCheckResponse>
  List: MethodDefinition<_grpc_health_v1_HealthListRequest$Input, _grpc_health_v1_HealthListResponse$Input, _grpc_health_v1_HealthListRequest, _grpc_health_v1_HealthListResponse>
  Watch: MethodDefinition<_grpc_health_v1_HealthCheckRequest$Input, _grpc_health_v1_HealthCheckResponse$Input, _grpc_health_v1_HealthCheckRequest, _grpc_health_v1_HealthCheckResponse>
}
