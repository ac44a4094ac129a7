import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ListStatusRequest$Input as _countersign_federation_v1_ListStatusRequest$Input, ListStatusRequest as _countersign_federation_v1_ListStatusRequest } from '../../../countersign/federation/v1/ListStatusRequest.ts';
import type { ListStatusResponse$Input as _countersign_federation_v1_ListStatusResponse$Input, ListStatusResponse as _countersign_federation_v1_ListStatusResponse } from '../../../countersign/federation/v1/ListStatusResponse.ts';

export interface FederationClient extends grpc.Client {
  ListStatus(argument: _countersign_federation_v1_ListStatusRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_federation_v1_ListStatusResponse>): grpc.ClientUnaryCall;
  ListStatus(argument: _countersign_federation_v1_ListStatusRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_federation_v1_ListStatusResponse>): grpc.ClientUnaryCall;
  ListStatus(argument: _countersign_federation_v1_ListStatusRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_federation_v1_ListStatusResponse>): grpc.ClientUnaryCall;
  ListStatus(argument: _countersign_federation_v1_ListStatusRequest$Input, callback: grpc.requestCallback<_countersign_federation_v1_ListStatusResponse>): grpc.ClientUnaryCall;
  listStatus(argument: _countersign_federation_v1_ListStatusRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_federation_v1_ListStatusResponse>): grpc.ClientUnaryCall;
  listStatus(argument: _countersign_federation_v1_ListStatusRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_federation_v1_ListStatusResponse>): grpc.ClientUnaryCall;
  listStatus(argument: _countersign_federation_v1_ListStatusRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_federation_v1_ListStatusResponse>): grpc.ClientUnaryCall;
  listStatus(argument: _countersign_federation_v1_ListStatusRequest$Input, callback: grpc.requestCallback<_countersign_federation_v1_ListStatusResponse>): grpc.ClientUnaryCall;
  
}

export interface FederationHandlers extends grpc.UntypedServiceImplementation {
  ListStatus: grpc.handleUnaryCall<_countersign_federation_v1_ListStatusRequest, _countersign_federation_v1_ListStatusResponse$Input>;
  
}

export interface FederationDefinition extends grpc.ServiceDefinition {
  ListStatus: MethodDefinition<_countersign_federation_v1_ListStatusRequest$Input, _countersign_federation_v1_ListStatusResponse$Input, _countersign_federation_v1_ListStatusRequest, _countersign_federation_v1_ListStatusResponse>
}
