import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AcceptRequest$Input as _countersign_clock_v1_AcceptRequest$Input, AcceptRequest as _countersign_clock_v1_AcceptRequest } from '../../../countersign/clock/v1/AcceptRequest.ts';
import type { AcceptResponse$Input as _countersign_clock_v1_AcceptResponse$Input, AcceptResponse as _countersign_clock_v1_AcceptResponse } from '../../../countersign/clock/v1/AcceptResponse.ts';

export interface ClockClient extends grpc.Client {
  Accept(argument: _countersign_clock_v1_AcceptRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  Accept(argument: _countersign_clock_v1_AcceptRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  Accept(argument: _countersign_clock_v1_AcceptRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  Accept(argument: _countersign_clock_v1_AcceptRequest$Input, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  accept(argument: _countersign_clock_v1_AcceptRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  accept(argument: _countersign_clock_v1_AcceptRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  accept(argument: _countersign_clock_v1_AcceptRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  accept(argument: _countersign_clock_v1_AcceptRequest$Input, callback: grpc.requestCallback<_countersign_clock_v1_AcceptResponse>): grpc.ClientUnaryCall;
  
}

export interface ClockHandlers extends grpc.UntypedServiceImplementation {
  Accept: grpc.handleUnaryCall<_countersign_clock_v1_AcceptRequest, _countersign_clock_v1_AcceptResponse$Input>;
  
}

export interface ClockDefinition extends grpc.ServiceDefinition {
  Accept: MethodDefinition<_countersign_clock_v1_AcceptRequest$Input, _countersign_clock_v1_AcceptResponse$Input, _countersign_clock_v1_AcceptRequest, _countersign_clock_v1_AcceptResponse>
}
