import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { FetchJWTSVIDsRequest$Input as _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest$Input, FetchJWTSVIDsRequest as _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest } from '../../../../../spire/api/agent/delegatedidentity/v1/FetchJWTSVIDsRequest.ts';
import type { FetchJWTSVIDsResponse$Input as _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse$Input, FetchJWTSVIDsResponse as _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse } from '../../../../../spire/api/agent/delegatedidentity/v1/FetchJWTSVIDsResponse.ts';
import type { SubscribeToJWTBundlesRequest$Input as _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesRequest$Input, SubscribeToJWTBundlesRequest as _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesRequest } from '../../../../../spire/api/agent/delegatedidentity/v1/SubscribeToJWTBundlesRequest.ts';
import type { SubscribeToJWTBundlesResponse$Input as _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesResponse$Input, SubscribeToJWTBundlesResponse as _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesResponse } from '../../../../../spire/api/agent/delegatedidentity/v1/SubscribeToJWTBundlesResponse.ts';
import type { SubscribeToX509BundlesRequest$Input as _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesRequest$Input, SubscribeToX509BundlesRequest as _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesRequest } from '../../../../../spire/api/agent/delegatedidentity/v1/SubscribeToX509BundlesRequest.ts';
import type { SubscribeToX509BundlesResponse$Input as _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesResponse$Input, SubscribeToX509BundlesResponse as _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesResponse } from '../../../../../spire/api/agent/delegatedidentity/v1/SubscribeToX509BundlesResponse.ts';
import type { SubscribeToX509SVIDsRequest$Input as _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsRequest$Input, SubscribeToX509SVIDsRequest as _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsRequest } from '../../../../../spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsRequest.ts';
import type { SubscribeToX509SVIDsResponse$Input as _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsResponse$Input, SubscribeToX509SVIDsResponse as _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsResponse } from '../../../../../spire/api/agent/delegatedidentity/v1/SubscribeToX509SVIDsResponse.ts';

export interface DelegatedIdentityClient extends grpc.Client {
  FetchJWTSVIDs(argument: _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse>): grpc.ClientUnaryCall;
  FetchJWTSVIDs(argument: _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse>): grpc.ClientUnaryCall;
  FetchJWTSVIDs(argument: _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse>): grpc.ClientUnaryCall;
  FetchJWTSVIDs(argument: _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest$Input, callback: grpc.requestCallback<_spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse>): grpc.ClientUnaryCall;
  fetchJwtsviDs(argument: _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse>): grpc.ClientUnaryCall;
  fetchJwtsviDs(argument: _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse>): grpc.ClientUnaryCall;
  fetchJwtsviDs(argument: _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse>): grpc.ClientUnaryCall;
  fetchJwtsviDs(argument: _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest$Input, callback: grpc.requestCallback<_spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse>): grpc.ClientUnaryCall;
  
  SubscribeToJWTBundles(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesResponse>;
  SubscribeToJWTBundles(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesResponse>;
  subscribeToJwtBundles(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesResponse>;
  subscribeToJwtBundles(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesResponse>;
  
  SubscribeToX509Bundles(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesResponse>;
  SubscribeToX509Bundles(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesResponse>;
  subscribeToX509Bundles(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesResponse>;
  subscribeToX509Bundles(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesResponse>;
  
  SubscribeToX509SVIDs(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsResponse>;
  SubscribeToX509SVIDs(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsResponse>;
  subscribeToX509SviDs(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsResponse>;
  subscribeToX509SviDs(argument: _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsResponse>;
  
}

export interface DelegatedIdentityHandlers extends grpc.UntypedServiceImplementation {
  FetchJWTSVIDs: grpc.handleUnaryCall<_spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest, _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse$Input>;
  
  SubscribeToJWTBundles: grpc.handleServerStreamingCall<_spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesRequest, _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesResponse$Input>;
  
  SubscribeToX509Bundles: grpc.handleServerStreamingCall<_spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesRequest, _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesResponse$Input>;
  
  SubscribeToX509SVIDs: grpc.handleServerStreamingCall<_spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsRequest, _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsResponse$Input>;
  
}

export interface DelegatedIdentityDefinition extends grpc.ServiceDefinition {
  FetchJWTSVIDs: MethodDefinition<_spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest$Input, _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse$Input, _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsRequest, _spire_api_agent_delegatedidentity_v1_FetchJWTSVIDsResponse>
  SubscribeToJWTBundles: MethodDefinition<_spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesRequest$Input, _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesResponse$Input, _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesRequest, _spire_api_agent_delegatedidentity_v1_SubscribeToJWTBundlesResponse>
  SubscribeToX509Bundles: MethodDefinition<_spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesRequest$Input, _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesResponse$Input, _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesRequest, _spire_api_agent_delegatedidentity_v1_SubscribeToX509BundlesResponse>
  SubscribeToX509SVIDs: MethodDefinition<_spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsRequest$Input, _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsResponse$Input, _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsRequest, _spire_api_agent_delegatedidentity_v1_SubscribeToX509SVIDsResponse>
}
