import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ListRequest$Input as _countersign_oauth_v1_ListRequest$Input, ListRequest as _countersign_oauth_v1_ListRequest } from '../../../countersign/oauth/v1/ListRequest.ts';
import type { ListResponse$Input as _countersign_oauth_v1_ListResponse$Input, ListResponse as _countersign_oauth_v1_ListResponse } from '../../../countersign/oauth/v1/ListResponse.ts';
import type { ListTokensRequest$Input as _countersign_oauth_v1_ListTokensRequest$Input, ListTokensRequest as _countersign_oauth_v1_ListTokensRequest } from '../../../countersign/oauth/v1/ListTokensRequest.ts';
import type { ListTokensResponse$Input as _countersign_oauth_v1_ListTokensResponse$Input, ListTokensResponse as _countersign_oauth_v1_ListTokensResponse } from '../../../countersign/oauth/v1/ListTokensResponse.ts';

export interface GrantsClient extends grpc.Client {
  List(argument: _countersign_oauth_v1_ListRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_oauth_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _countersign_oauth_v1_ListRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_oauth_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _countersign_oauth_v1_ListRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_oauth_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _countersign_oauth_v1_ListRequest$Input, callback: grpc.requestCallback<_countersign_oauth_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_oauth_v1_ListRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_oauth_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_oauth_v1_ListRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_oauth_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_oauth_v1_ListRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_oauth_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_oauth_v1_ListRequest$Input, callback: grpc.requestCallback<_countersign_oauth_v1_ListResponse>): grpc.ClientUnaryCall;
  
  ListTokens(argument: _countersign_oauth_v1_ListTokensRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_oauth_v1_ListTokensResponse>): grpc.ClientUnaryCall;
  ListTokens(argument: _countersign_oauth_v1_ListTokensRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_oauth_v1_ListTokensResponse>): grpc.ClientUnaryCall;
  ListTokens(argument: _countersign_oauth_v1_ListTokensRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_oauth_v1_ListTokensResponse>): grpc.ClientUnaryCall;
  ListTokens(argument: _countersign_oauth_v1_ListTokensRequest$Input, callback: grpc.requestCallback<_countersign_oauth_v1_ListTokensResponse>): grpc.ClientUnaryCall;
  listTokens(argument: _countersign_oauth_v1_ListTokensRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_oauth_v1_ListTokensResponse>): grpc.ClientUnaryCall;
  listTokens(argument: _countersign_oauth_v1_ListTokensRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_oauth_v1_ListTokensResponse>): grpc.ClientUnaryCall;
  listTokens(argument: _countersign_oauth_v1_ListTokensRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_oauth_v1_ListTokensResponse>): grpc.ClientUnaryCall;
  listTokens(argument: _countersign_oauth_v1_ListTokensRequest$Input, callback: grpc.requestCallback<_countersign_oauth_v1_ListTokensResponse>): grpc.ClientUnaryCall;
  
}

export interface GrantsHandlers extends grpc.UntypedServiceImplementation {
  List: grpc.handleUnaryCall<_countersign_oauth_v1_ListRequest, _countersign_oauth_v1_ListResponse$Input>;
  
  ListTokens: grpc.handleUnaryCall<_countersign_oauth_v1_ListTokensRequest, _countersign_oauth_v1_ListTokensResponse$Input>;
  
}

export interface GrantsDefinition extends grpc.ServiceDefinition {
  List: MethodDefinition<_countersign_oauth_v1_ListRequest$Input, _countersign_oauth_v1_ListResponse$Input, _countersign_oauth_v1_ListRequest, _countersign_oauth_v1_ListResponse>
  ListTokens: MethodDefinition<_countersign_oauth_v1_ListTokensRequest$Input, _countersign_oauth_v1_ListTokensResponse$Input, _countersign_oauth_v1_ListTokensRequest, _countersign_oauth_v1_ListTokensResponse>
}
