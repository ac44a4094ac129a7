import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AddRequest$Input as _countersign_legacy_v1_AddRequest$Input, AddRequest as _countersign_legacy_v1_AddRequest } from '../../../countersign/legacy/v1/AddRequest.ts';
import type { AddResponse$Input as _countersign_legacy_v1_AddResponse$Input, AddResponse as _countersign_legacy_v1_AddResponse } from '../../../countersign/legacy/v1/AddResponse.ts';
import type { ListRequest$Input as _countersign_legacy_v1_ListRequest$Input, ListRequest as _countersign_legacy_v1_ListRequest } from '../../../countersign/legacy/v1/ListRequest.ts';
import type { ListResponse$Input as _countersign_legacy_v1_ListResponse$Input, ListResponse as _countersign_legacy_v1_ListResponse } from '../../../countersign/legacy/v1/ListResponse.ts';
import type { RemoveRequest$Input as _countersign_legacy_v1_RemoveRequest$Input, RemoveRequest as _countersign_legacy_v1_RemoveRequest } from '../../../countersign/legacy/v1/RemoveRequest.ts';
import type { RemoveResponse$Input as _countersign_legacy_v1_RemoveResponse$Input, RemoveResponse as _countersign_legacy_v1_RemoveResponse } from '../../../countersign/legacy/v1/RemoveResponse.ts';

export interface LegacyClient extends grpc.Client {
  Add(argument: _countersign_legacy_v1_AddRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_AddResponse>): grpc.ClientUnaryCall;
  Add(argument: _countersign_legacy_v1_AddRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_legacy_v1_AddResponse>): grpc.ClientUnaryCall;
  Add(argument: _countersign_legacy_v1_AddRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_AddResponse>): grpc.ClientUnaryCall;
  Add(argument: _countersign_legacy_v1_AddRequest$Input, callback: grpc.requestCallback<_countersign_legacy_v1_AddResponse>): grpc.ClientUnaryCall;
  add(argument: _countersign_legacy_v1_AddRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_AddResponse>): grpc.ClientUnaryCall;
  add(argument: _countersign_legacy_v1_AddRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_legacy_v1_AddResponse>): grpc.ClientUnaryCall;
  add(argument: _countersign_legacy_v1_AddRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_AddResponse>): grpc.ClientUnaryCall;
  add(argument: _countersign_legacy_v1_AddRequest$Input, callback: grpc.requestCallback<_countersign_legacy_v1_AddResponse>): grpc.ClientUnaryCall;
  
  List(argument: _countersign_legacy_v1_ListRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _countersign_legacy_v1_ListRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_legacy_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _countersign_legacy_v1_ListRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _countersign_legacy_v1_ListRequest$Input, callback: grpc.requestCallback<_countersign_legacy_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_legacy_v1_ListRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_legacy_v1_ListRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_legacy_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_legacy_v1_ListRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_legacy_v1_ListRequest$Input, callback: grpc.requestCallback<_countersign_legacy_v1_ListResponse>): grpc.ClientUnaryCall;
  
  Remove(argument: _countersign_legacy_v1_RemoveRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_RemoveResponse>): grpc.ClientUnaryCall;
  Remove(argument: _countersign_legacy_v1_RemoveRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_legacy_v1_RemoveResponse>): grpc.ClientUnaryCall;
  Remove(argument: _countersign_legacy_v1_RemoveRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_RemoveResponse>): grpc.ClientUnaryCall;
  Remove(argument: _countersign_legacy_v1_RemoveRequest$Input, callback: grpc.requestCallback<_countersign_legacy_v1_RemoveResponse>): grpc.ClientUnaryCall;
  remove(argument: _countersign_legacy_v1_RemoveRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_RemoveResponse>): grpc.ClientUnaryCall;
  remove(argument: _countersign_legacy_v1_RemoveRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_legacy_v1_RemoveResponse>): grpc.ClientUnaryCall;
  remove(argument: _countersign_legacy_v1_RemoveRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_legacy_v1_RemoveResponse>): grpc.ClientUnaryCall;
  remove(argument: _countersign_legacy_v1_RemoveRequest$Input, callback: grpc.requestCallback<_countersign_legacy_v1_RemoveResponse>): grpc.ClientUnaryCall;
  
}

export interface LegacyHandlers extends grpc.UntypedServiceImplementation {
  Add: grpc.handleUnaryCall<_countersign_legacy_v1_AddRequest, _countersign_legacy_v1_AddResponse$Input>;
  
  List: grpc.handleUnaryCall<_countersign_legacy_v1_ListRequest, _countersign_legacy_v1_ListResponse$Input>;
  
  Remove: grpc.handleUnaryCall<_countersign_legacy_v1_RemoveRequest, _countersign_legacy_v1_RemoveResponse$Input>;
  
}

export interface LegacyDefinition extends grpc.ServiceDefinition {
  Add: MethodDefinition<_countersign_legacy_v1_AddRequest$Input, _countersign_legacy_v1_AddResponse$Input, _countersign_legacy_v1_AddRequest, _countersign_legacy_v1_AddResponse>
  List: MethodDefinition<_countersign_legacy_v1_ListRequest$Input, _countersign_legacy_v1_ListResponse$Input, _countersign_legacy_v1_ListRequest, _countersign_legacy_v1_ListResponse>
  Remove: MethodDefinition<_countersign_legacy_v1_RemoveRequest$Input, _countersign_legacy_v1_RemoveResponse$Input, _countersign_legacy_v1_RemoveRequest, _countersign_legacy_v1_RemoveResponse>
}
