import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AcceptRequest$Input as _countersign_clock_v1_AcceptRequest$Input, AcceptRequest as _countersign_clock_v1_AcceptRequest } from '../../../countersign/clock/v1/AcceptRequest.ts';
import type { AcceptResponse$Input as _countersign_clock_v1_AcceptResponse$Input, AcceptResponse as _countersign_clock_v1_AcceptResponse } from '../../../countersign/clock/v1/AcceptResponse.ts';
import type { NowRequest$Input as _countersign_clock_v1_NowRequest$Input, NowRequest as _countersign_clock_v1_NowRequest } from '../../../countersign/clock/v1/NowRequest.ts';
import type { NowResponse$Input as _countersign_clock_v1_NowResponse$Input, NowResponse as _countersign_clock_v1_NowResponse } from '../../../countersign/clock/v1/NowResponse.ts';

export interface ClockClient extends grpc.Client {
  Accept(argument: _countersign_clock_v1_AcceptRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  Accept(argument: _countersign_clock_v1_AcceptRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  Accept(argument: _countersign_clock_v1_AcceptRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  Accept(argument: _countersign_clock_v1_AcceptRequest$Input, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  accept(argument: _countersign_clock_v1_AcceptRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  accept(argument: _countersign_clock_v1_AcceptRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  accept(argument: _countersign_clock_v1_AcceptRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  accept(argument: _countersign_clock_v1_AcceptRequest$Input, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  
  Now(argument: _countersign_clock_v1_NowRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_NowResponse>): grpc.ClientUnaryCall;
  Now(argument: _countersign_clock_v1_NowRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_clock_v1_NowResponse>): grpc.ClientUnaryCall;
  Now(argument: _countersign_clock_v1_NowRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_NowResponse>): grpc.ClientUnaryCall;
  Now(argument: _countersign_clock_v1_NowRequest$Input, callback: grpc.requestCallback<_countersign_clock_v1_NowResponse>): grpc.ClientUnaryCall;
  now(argument: _countersign_clock_v1_NowRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_NowResponse>): grpc.ClientUnaryCall;
  now(argument: _countersign_clock_v1_NowRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_clock_v1_NowResponse>): grpc.ClientUnaryCall;
  now(argument: _countersign_clock_v1_NowRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_NowResponse>): grpc.ClientUnaryCall;
  now(argument: _countersign_clock_v1_NowRequest$Input, callback: grpc.requestCallback<_countersign_clock_v1_NowResponse>): grpc.ClientUnaryCall;
  
}

export interface ClockHandlers extends grpc.UntypedServiceImplementation {
  Accept: grpc.handleUnaryCall<_countersign_clock_v1_AcceptRequest, _countersign_clock_v1_AcceptResponse$Input>;
  
  Now: grpc.handleUnaryCall<_countersign_clock_v1_NowRequest, _countersign_clock_v1_NowResponse$Input>;
  
}

export interface ClockDefinition extends grpc.ServiceDefinition {
  Accept: MethodDefinition<_countersign_clock_v1_AcceptRequest$Input, _countersign_clock_v1_AcceptResponse$Input, _countersign_clock_v1_AcceptRequest, _countersign_clock_v1_AcceptResponse>
  Now: MethodDefinition<_countersign_clock_v1_NowRequest$Input, _countersign_clock_v1_NowResponse$Input, _countersign_clock_v1_NowRequest, _countersign_clock_v1_NowResponse>
}
