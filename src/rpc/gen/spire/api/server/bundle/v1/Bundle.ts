import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { AppendBundleRequest$Input as _spire_api_server_bundle_v1_AppendBundleRequest$Input, AppendBundleRequest as _spire_api_server_bundle_v1_AppendBundleRequest } from '../../../../../spire/api/server/bundle/v1/AppendBundleRequest.ts';
import type { BatchCreateFederatedBundleRequest$Input as _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest$Input, BatchCreateFederatedBundleRequest as _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest } from '../../../../../spire/api/server/bundle/v1/BatchCreateFederatedBundleRequest.ts';
import type { BatchCreateFederatedBundleResponse$Input as _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse$Input, BatchCreateFederatedBundleResponse as _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse } from '../../../../../spire/api/server/bundle/v1/BatchCreateFederatedBundleResponse.ts';
import type { BatchDeleteFederatedBundleRequest$Input as _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest$Input, BatchDeleteFederatedBundleRequest as _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest } from '../../../../../spire/api/server/bundle/v1/BatchDeleteFederatedBundleRequest.ts';
import type { BatchDeleteFederatedBundleResponse$Input as _spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse$Input, BatchDeleteFederatedBundleResponse as _spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse } from '../../../../../spire/api/server/bundle/v1/BatchDeleteFederatedBundleResponse.ts';
import type { BatchSetFederatedBundleRequest$Input as _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest$Input, BatchSetFederatedBundleRequest as _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest } from '../../../../../spire/api/server/bundle/v1/BatchSetFederatedBundleRequest.ts';
import type { BatchSetFederatedBundleResponse$Input as _spire_api_server_bundle_v1_BatchSetFederatedBundleResponse$Input, BatchSetFederatedBundleResponse as _spire_api_server_bundle_v1_BatchSetFederatedBundleResponse } from '../../../../../spire/api/server/bundle/v1/BatchSetFederatedBundleResponse.ts';
import type { BatchUpdateFederatedBundleRequest$Input as _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest$Input, BatchUpdateFederatedBundleRequest as _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest } from '../../../../../spire/api/server/bundle/v1/BatchUpdateFederatedBundleRequest.ts';
import type { BatchUpdateFederatedBundleResponse$Input as _spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse$Input, BatchUpdateFederatedBundleResponse as _spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse } from '../../../../../spire/api/server/bundle/v1/BatchUpdateFederatedBundleResponse.ts';
import type { Bundle$Input as _spire_api_types_Bundle$Input, Bundle as _spire_api_types_Bundle } from '../../../../../spire/api/types/Bundle.ts';
import type { CountBundlesRequest$Input as _spire_api_server_bundle_v1_CountBundlesRequest$Input, CountBundlesRequest as _spire_api_server_bundle_v1_CountBundlesRequest } from '../../../../../spire/api/server/bundle/v1/CountBundlesRequest.ts';
import type { CountBundlesResponse$Input as _spire_api_server_bundle_v1_CountBundlesResponse$Input, CountBundlesResponse as _spire_api_server_bundle_v1_CountBundlesResponse } from '../../../../../spire/api/server/bundle/v1/CountBundlesResponse.ts';
import type { GetBundleRequest$Input as _spire_api_server_bundle_v1_GetBundleRequest$Input, GetBundleRequest as _spire_api_server_bundle_v1_GetBundleRequest } from '../../../../../spire/api/server/bundle/v1/GetBundleRequest.ts';
import type { GetFederatedBundleRequest$Input as _spire_api_server_bundle_v1_GetFederatedBundleRequest$Input, GetFederatedBundleRequest as _spire_api_server_bundle_v1_GetFederatedBundleRequest } from '../../../../../spire/api/server/bundle/v1/GetFederatedBundleRequest.ts';
import type { ListFederatedBundlesRequest$Input as _spire_api_server_bundle_v1_ListFederatedBundlesRequest$Input, ListFederatedBundlesRequest as _spire_api_server_bundle_v1_ListFederatedBundlesRequest } from '../../../../../spire/api/server/bundle/v1/ListFederatedBundlesRequest.ts';
import type { ListFederatedBundlesResponse$Input as _spire_api_server_bundle_v1_ListFederatedBundlesResponse$Input, ListFederatedBundlesResponse as _spire_api_server_bundle_v1_ListFederatedBundlesResponse } from '../../../../../spire/api/server/bundle/v1/ListFederatedBundlesResponse.ts';
import type { PublishJWTAuthorityRequest$Input as _spire_api_server_bundle_v1_PublishJWTAuthorityRequest$Input, PublishJWTAuthorityRequest as _spire_api_server_bundle_v1_PublishJWTAuthorityRequest } from '../../../../../spire/api/server/bundle/v1/PublishJWTAuthorityRequest.ts';
import type { PublishJWTAuthorityResponse$Input as _spire_api_server_bundle_v1_PublishJWTAuthorityResponse$Input, PublishJWTAuthorityResponse as _spire_api_server_bundle_v1_PublishJWTAuthorityResponse } from '../../../../../spire/api/server/bundle/v1/PublishJWTAuthorityResponse.ts';
import type { PublishWITAuthorityRequest$Input as _spire_api_server_bundle_v1_PublishWITAuthorityRequest$Input, PublishWITAuthorityRequest as _spire_api_server_bundle_v1_PublishWITAuthorityRequest } from '../../../../../spire/api/server/bundle/v1/PublishWITAuthorityRequest.ts';
import type { PublishWITAuthorityResponse$Input as _spire_api_server_bundle_v1_PublishWITAuthorityResponse$Input, PublishWITAuthorityResponse as _spire_api_server_bundle_v1_PublishWITAuthorityResponse } from '../../../../../spire/api/server/bundle/v1/PublishWITAuthorityResponse.ts';

export interface BundleClient extends grpc.Client {
  AppendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  AppendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  AppendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  AppendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest$Input, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  appendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  appendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  appendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  appendBundle(argument: _spire_api_server_bundle_v1_AppendBundleRequest$Input, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  
  BatchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchCreateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse>): grpc.ClientUnaryCall;
  
  BatchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchDeleteFederatedBundle(argument: _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse>): grpc.ClientUnaryCall;
  
  BatchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchSetFederatedBundle(argument: _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchSetFederatedBundleResponse>): grpc.ClientUnaryCall;
  
  BatchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse>): grpc.ClientUnaryCall;
  BatchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse>): grpc.ClientUnaryCall;
  batchUpdateFederatedBundle(argument: _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse>): grpc.ClientUnaryCall;
  
  CountBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse>): grpc.ClientUnaryCall;
  CountBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse>): grpc.ClientUnaryCall;
  CountBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse>): grpc.ClientUnaryCall;
  CountBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse>): grpc.ClientUnaryCall;
  countBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse>): grpc.ClientUnaryCall;
  countBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse>): grpc.ClientUnaryCall;
  countBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse>): grpc.ClientUnaryCall;
  countBundles(argument: _spire_api_server_bundle_v1_CountBundlesRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_CountBundlesResponse>): grpc.ClientUnaryCall;
  
  GetBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  GetBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  GetBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  GetBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest$Input, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  getBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  getBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  getBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  getBundle(argument: _spire_api_server_bundle_v1_GetBundleRequest$Input, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  
  GetFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  GetFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  GetFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  GetFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest$Input, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  getFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  getFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  getFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  getFederatedBundle(argument: _spire_api_server_bundle_v1_GetFederatedBundleRequest$Input, callback: grpc.requestCallback<_spire_api_types_Bundle>): grpc.ClientUnaryCall;
  
  ListFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse>): grpc.ClientUnaryCall;
  ListFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse>): grpc.ClientUnaryCall;
  ListFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse>): grpc.ClientUnaryCall;
  ListFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse>): grpc.ClientUnaryCall;
  listFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse>): grpc.ClientUnaryCall;
  listFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse>): grpc.ClientUnaryCall;
  listFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse>): grpc.ClientUnaryCall;
  listFederatedBundles(argument: _spire_api_server_bundle_v1_ListFederatedBundlesRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_ListFederatedBundlesResponse>): grpc.ClientUnaryCall;
  
  PublishJWTAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse>): grpc.ClientUnaryCall;
  PublishJWTAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse>): grpc.ClientUnaryCall;
  PublishJWTAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse>): grpc.ClientUnaryCall;
  PublishJWTAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse>): grpc.ClientUnaryCall;
  publishJwtAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse>): grpc.ClientUnaryCall;
  publishJwtAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse>): grpc.ClientUnaryCall;
  publishJwtAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse>): grpc.ClientUnaryCall;
  publishJwtAuthority(argument: _spire_api_server_bundle_v1_PublishJWTAuthorityRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishJWTAuthorityResponse>): grpc.ClientUnaryCall;
  
  PublishWITAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse>): grpc.ClientUnaryCall;
  PublishWITAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse>): grpc.ClientUnaryCall;
  PublishWITAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse>): grpc.ClientUnaryCall;
  PublishWITAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse>): grpc.ClientUnaryCall;
  publishWitAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse>): grpc.ClientUnaryCall;
  publishWitAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse>): grpc.ClientUnaryCall;
  publishWitAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse>): grpc.ClientUnaryCall;
  publishWitAuthority(argument: _spire_api_server_bundle_v1_PublishWITAuthorityRequest$Input, callback: grpc.requestCallback<_spire_api_server_bundle_v1_PublishWITAuthorityResponse>): grpc.ClientUnaryCall;
  
}

export interface BundleHandlers extends grpc.UntypedServiceImplementation {
  AppendBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_AppendBundleRequest, _spire_api_types_Bundle$Input>;
  
  BatchCreateFederatedBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse$Input>;
  
  BatchDeleteFederatedBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, _spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse$Input>;
  
  BatchSetFederatedBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, _spire_api_server_bundle_v1_BatchSetFederatedBundleResponse$Input>;
  
  BatchUpdateFederatedBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, _spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse$Input>;
  
  CountBundles: grpc.handleUnaryCall<_spire_api_server_bundle_v1_CountBundlesRequest, _spire_api_server_bundle_v1_CountBundlesResponse$Input>;
  
  GetBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_GetBundleRequest, _spire_api_types_Bundle$Input>;
  
  GetFederatedBundle: grpc.handleUnaryCall<_spire_api_server_bundle_v1_GetFederatedBundleRequest, _spire_api_types_Bundle$Input>;
  
  ListFederatedBundles: grpc.handleUnaryCall<_spire_api_server_bundle_v1_ListFederatedBundlesRequest, _spire_api_server_bundle_v1_ListFederatedBundlesResponse$Input>;
  
  PublishJWTAuthority: grpc.handleUnaryCall<_spire_api_server_bundle_v1_PublishJWTAuthorityRequest, _spire_api_server_bundle_v1_PublishJWTAuthorityResponse$Input>;
  
  PublishWITAuthority: grpc.handleUnaryCall<_spire_api_server_bundle_v1_PublishWITAuthorityRequest, _spire_api_server_bundle_v1_PublishWITAuthorityResponse$Input>;
  
}

export interface BundleDefinition extends grpc.ServiceDefinition {
  AppendBundle: MethodDefinition<_spire_api_server_bundle_v1_AppendBundleRequest$Input, _spire_api_types_Bundle$Input, _spire_api_server_bundle_v1_AppendBundleRequest, _spire_api_types_Bundle>
  BatchCreateFederatedBundle: MethodDefinition<_spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest$Input, _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse$Input, _spire_api_server_bundle_v1_BatchCreateFederatedBundleRequest, _spire_api_server_bundle_v1_BatchCreateFederatedBundleResponse>
  BatchDeleteFederatedBundle: MethodDefinition<_spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest$Input, _spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse$Input, _spire_api_server_bundle_v1_BatchDeleteFederatedBundleRequest, _spire_api_server_bundle_v1_BatchDeleteFederatedBundleResponse>
  BatchSetFederatedBundle: MethodDefinition<_spire_api_server_bundle_v1_BatchSetFederatedBundleRequest$Input, _spire_api_server_bundle_v1_BatchSetFederatedBundleResponse$Input, _spire_api_server_bundle_v1_BatchSetFederatedBundleRequest, _spire_api_server_bundle_v1_BatchSetFederatedBundleResponse>
  BatchUpdateFederatedBundle: MethodDefinition<_spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest$Input, _spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse$Input, _spire_api_server_bundle_v1_BatchUpdateFederatedBundleRequest, _spire_api_server_bundle_v1_BatchUpdateFederatedBundleResponse>
  CountBundles: MethodDefinition<_spire_api_server_bundle_v1_CountBundlesRequest$Input, _spire_api_server_bundle_v1_CountBundlesResponse$Input, _spire_api_server_bundle_v1_CountBundlesRequest, _spire_api_server_bundle_v1_CountBundlesResponse>
  GetBundle: MethodDefinition<_spire_api_server_bundle_v1_GetBundleRequest$Input, _spire_api_types_Bundle$Input, _spire_api_server_bundle_v1_GetBundleRequest, _spire_api_types_Bundle>
  GetFederatedBundle: MethodDefinition<_spire_api_server_bundle_v1_GetFederatedBundleRequest$Input, _spire_api_types_Bundle$Input, _spire_api_server_bundle_v1_GetFederatedBundleRequest, _spire_api_types_Bundle>
  ListFederatedBundles: MethodDefinition<_spire_api_server_bundle_v1_ListFederatedBundlesRequest$Input, _spire_api_server_bundle_v1_ListFederatedBundlesResponse$Input, _spire_api_server_bundle_v1_ListFederatedBundlesRequest, _spire_api_server_bundle_v1_ListFederatedBundlesResponse>
  PublishJWTAuthority: MethodDefinition<_spire_api_server_bundle_v1_PublishJWTAuthorityRequest$Input, _spire_api_server_bundle_v1_PublishJWTAuthorityResponse$Input, _spire_api_server_bundle_v1_PublishJWTAuthorityRequest, _spire_api_server_bundle_v1_PublishJWTAuthorityResponse>
  PublishWITAuthority: MethodDefinition<_spire_api_server_bundle_v1_PublishWITAuthorityRequest$Input, _spire_api_server_bundle_v1_PublishWITAuthorityResponse$Input, _spire_api_server_bundle_v1_PublishWITAuthorityRequest, _spire_api_server_bundle_v1_PublishWITAuthorityResponse>
}
