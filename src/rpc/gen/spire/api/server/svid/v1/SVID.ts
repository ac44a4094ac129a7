import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { BatchNewWITSVIDRequest$Input as _spire_api_server_svid_v1_BatchNewWITSVIDRequest$Input, BatchNewWITSVIDRequest as _spire_api_server_svid_v1_BatchNewWITSVIDRequest } from '../../../../../spire/api/server/svid/v1/BatchNewWITSVIDRequest.ts';
import type { BatchNewWITSVIDResponse$Input as _spire_api_server_svid_v1_BatchNewWITSVIDResponse$Input, BatchNewWITSVIDResponse as _spire_api_server_svid_v1_BatchNewWITSVIDResponse } from '../../../../../spire/api/server/svid/v1/BatchNewWITSVIDResponse.ts';
import type { BatchNewX509SVIDRequest$Input as _spire_api_server_svid_v1_BatchNewX509SVIDRequest$Input, BatchNewX509SVIDRequest as _spire_api_server_svid_v1_BatchNewX509SVIDRequest } from '../../../../../spire/api/server/svid/v1/BatchNewX509SVIDRequest.ts';
import type { BatchNewX509SVIDResponse$Input as _spire_api_server_svid_v1_BatchNewX509SVIDResponse$Input, BatchNewX509SVIDResponse as _spire_api_server_svid_v1_BatchNewX509SVIDResponse } from '../../../../../spire/api/server/svid/v1/BatchNewX509SVIDResponse.ts';
import type { MintJWTSVIDRequest$Input as _spire_api_server_svid_v1_MintJWTSVIDRequest$Input, MintJWTSVIDRequest as _spire_api_server_svid_v1_MintJWTSVIDRequest } from '../../../../../spire/api/server/svid/v1/MintJWTSVIDRequest.ts';
import type { MintJWTSVIDResponse$Input as _spire_api_server_svid_v1_MintJWTSVIDResponse$Input, MintJWTSVIDResponse as _spire_api_server_svid_v1_MintJWTSVIDResponse } from '../../../../../spire/api/server/svid/v1/MintJWTSVIDResponse.ts';
import type { MintWITSVIDRequest$Input as _spire_api_server_svid_v1_MintWITSVIDRequest$Input, MintWITSVIDRequest as _spire_api_server_svid_v1_MintWITSVIDRequest } from '../../../../../spire/api/server/svid/v1/MintWITSVIDRequest.ts';
import type { MintWITSVIDResponse$Input as _spire_api_server_svid_v1_MintWITSVIDResponse$Input, MintWITSVIDResponse as _spire_api_server_svid_v1_MintWITSVIDResponse } from '../../../../../spire/api/server/svid/v1/MintWITSVIDResponse.ts';
import type { MintX509SVIDRequest$Input as _spire_api_server_svid_v1_MintX509SVIDRequest$Input, MintX509SVIDRequest as _spire_api_server_svid_v1_MintX509SVIDRequest } from '../../../../../spire/api/server/svid/v1/MintX509SVIDRequest.ts';
import type { MintX509SVIDResponse$Input as _spire_api_server_svid_v1_MintX509SVIDResponse$Input, MintX509SVIDResponse as _spire_api_server_svid_v1_MintX509SVIDResponse } from '../../../../../spire/api/server/svid/v1/MintX509SVIDResponse.ts';
import type { NewDownstreamX509CARequest$Input as _spire_api_server_svid_v1_NewDownstreamX509CARequest$Input, NewDownstreamX509CARequest as _spire_api_server_svid_v1_NewDownstreamX509CARequest } from '../../../../../spire/api/server/svid/v1/NewDownstreamX509CARequest.ts';
import type { NewDownstreamX509CAResponse$Input as _spire_api_server_svid_v1_NewDownstreamX509CAResponse$Input, NewDownstreamX509CAResponse as _spire_api_server_svid_v1_NewDownstreamX509CAResponse } from '../../../../../spire/api/server/svid/v1/NewDownstreamX509CAResponse.ts';
import type { NewJWTSVIDRequest$Input as _spire_api_server_svid_v1_NewJWTSVIDRequest$Input, NewJWTSVIDRequest as _spire_api_server_svid_v1_NewJWTSVIDRequest } from '../../../../../spire/api/server/svid/v1/NewJWTSVIDRequest.ts';
import type { NewJWTSVIDResponse$Input as _spire_api_server_svid_v1_NewJWTSVIDResponse$Input, NewJWTSVIDResponse as _spire_api_server_svid_v1_NewJWTSVIDResponse } from '../../../../../spire/api/server/svid/v1/NewJWTSVIDResponse.ts';

export interface SVIDClient extends grpc.Client {
  BatchNewWITSVID(argument: _spire_api_server_svid_v1_BatchNewWITSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewWITSVIDResponse>): grpc.ClientUnaryCall;
  BatchNewWITSVID(argument: _spire_api_server_svid_v1_BatchNewWITSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewWITSVIDResponse>): grpc.ClientUnaryCall;
  BatchNewWITSVID(argument: _spire_api_server_svid_v1_BatchNewWITSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewWITSVIDResponse>): grpc.ClientUnaryCall;
  BatchNewWITSVID(argument: _spire_api_server_svid_v1_BatchNewWITSVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewWITSVIDResponse>): grpc.ClientUnaryCall;
  batchNewWitsvid(argument: _spire_api_server_svid_v1_BatchNewWITSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewWITSVIDResponse>): grpc.ClientUnaryCall;
  batchNewWitsvid(argument: _spire_api_server_svid_v1_BatchNewWITSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewWITSVIDResponse>): grpc.ClientUnaryCall;
  batchNewWitsvid(argument: _spire_api_server_svid_v1_BatchNewWITSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewWITSVIDResponse>): grpc.ClientUnaryCall;
  batchNewWitsvid(argument: _spire_api_server_svid_v1_BatchNewWITSVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewWITSVIDResponse>): grpc.ClientUnaryCall;
  
  BatchNewX509SVID(argument: _spire_api_server_svid_v1_BatchNewX509SVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewX509SVIDResponse>): grpc.ClientUnaryCall;
  BatchNewX509SVID(argument: _spire_api_server_svid_v1_BatchNewX509SVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewX509SVIDResponse>): grpc.ClientUnaryCall;
  BatchNewX509SVID(argument: _spire_api_server_svid_v1_BatchNewX509SVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewX509SVIDResponse>): grpc.ClientUnaryCall;
  BatchNewX509SVID(argument: _spire_api_server_svid_v1_BatchNewX509SVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewX509SVIDResponse>): grpc.ClientUnaryCall;
  batchNewX509Svid(argument: _spire_api_server_svid_v1_BatchNewX509SVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewX509SVIDResponse>): grpc.ClientUnaryCall;
  batchNewX509Svid(argument: _spire_api_server_svid_v1_BatchNewX509SVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewX509SVIDResponse>): grpc.ClientUnaryCall;
  batchNewX509Svid(argument: _spire_api_server_svid_v1_BatchNewX509SVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewX509SVIDResponse>): grpc.ClientUnaryCall;
  batchNewX509Svid(argument: _spire_api_server_svid_v1_BatchNewX509SVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_BatchNewX509SVIDResponse>): grpc.ClientUnaryCall;
  
  MintJWTSVID(argument: _spire_api_server_svid_v1_MintJWTSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintJWTSVIDResponse>): grpc.ClientUnaryCall;
  MintJWTSVID(argument: _spire_api_server_svid_v1_MintJWTSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintJWTSVIDResponse>): grpc.ClientUnaryCall;
  MintJWTSVID(argument: _spire_api_server_svid_v1_MintJWTSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintJWTSVIDResponse>): grpc.ClientUnaryCall;
  MintJWTSVID(argument: _spire_api_server_svid_v1_MintJWTSVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintJWTSVIDResponse>): grpc.ClientUnaryCall;
  mintJwtsvid(argument: _spire_api_server_svid_v1_MintJWTSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintJWTSVIDResponse>): grpc.ClientUnaryCall;
  mintJwtsvid(argument: _spire_api_server_svid_v1_MintJWTSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintJWTSVIDResponse>): grpc.ClientUnaryCall;
  mintJwtsvid(argument: _spire_api_server_svid_v1_MintJWTSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintJWTSVIDResponse>): grpc.ClientUnaryCall;
  mintJwtsvid(argument: _spire_api_server_svid_v1_MintJWTSVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintJWTSVIDResponse>): grpc.ClientUnaryCall;
  
  MintWITSVID(argument: _spire_api_server_svid_v1_MintWITSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintWITSVIDResponse>): grpc.ClientUnaryCall;
  MintWITSVID(argument: _spire_api_server_svid_v1_MintWITSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintWITSVIDResponse>): grpc.ClientUnaryCall;
  MintWITSVID(argument: _spire_api_server_svid_v1_MintWITSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintWITSVIDResponse>): grpc.ClientUnaryCall;
  MintWITSVID(argument: _spire_api_server_svid_v1_MintWITSVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintWITSVIDResponse>): grpc.ClientUnaryCall;
  mintWitsvid(argument: _spire_api_server_svid_v1_MintWITSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintWITSVIDResponse>): grpc.ClientUnaryCall;
  mintWitsvid(argument: _spire_api_server_svid_v1_MintWITSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintWITSVIDResponse>): grpc.ClientUnaryCall;
  mintWitsvid(argument: _spire_api_server_svid_v1_MintWITSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintWITSVIDResponse>): grpc.ClientUnaryCall;
  mintWitsvid(argument: _spire_api_server_svid_v1_MintWITSVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintWITSVIDResponse>): grpc.ClientUnaryCall;
  
  MintX509SVID(argument: _spire_api_server_svid_v1_MintX509SVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintX509SVIDResponse>): grpc.ClientUnaryCall;
  MintX509SVID(argument: _spire_api_server_svid_v1_MintX509SVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintX509SVIDResponse>): grpc.ClientUnaryCall;
  MintX509SVID(argument: _spire_api_server_svid_v1_MintX509SVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintX509SVIDResponse>): grpc.ClientUnaryCall;
  MintX509SVID(argument: _spire_api_server_svid_v1_MintX509SVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintX509SVIDResponse>): grpc.ClientUnaryCall;
  mintX509Svid(argument: _spire_api_server_svid_v1_MintX509SVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintX509SVIDResponse>): grpc.ClientUnaryCall;
  mintX509Svid(argument: _spire_api_server_svid_v1_MintX509SVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintX509SVIDResponse>): grpc.ClientUnaryCall;
  mintX509Svid(argument: _spire_api_server_svid_v1_MintX509SVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintX509SVIDResponse>): grpc.ClientUnaryCall;
  mintX509Svid(argument: _spire_api_server_svid_v1_MintX509SVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_MintX509SVIDResponse>): grpc.ClientUnaryCall;
  
  NewDownstreamX509CA(argument: _spire_api_server_svid_v1_NewDownstreamX509CARequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewDownstreamX509CAResponse>): grpc.ClientUnaryCall;
  NewDownstreamX509CA(argument: _spire_api_server_svid_v1_NewDownstreamX509CARequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewDownstreamX509CAResponse>): grpc.ClientUnaryCall;
  NewDownstreamX509CA(argument: _spire_api_server_svid_v1_NewDownstreamX509CARequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewDownstreamX509CAResponse>): grpc.ClientUnaryCall;
  NewDownstreamX509CA(argument: _spire_api_server_svid_v1_NewDownstreamX509CARequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewDownstreamX509CAResponse>): grpc.ClientUnaryCall;
  newDownstreamX509Ca(argument: _spire_api_server_svid_v1_NewDownstreamX509CARequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewDownstreamX509CAResponse>): grpc.ClientUnaryCall;
  newDownstreamX509Ca(argument: _spire_api_server_svid_v1_NewDownstreamX509CARequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewDownstreamX509CAResponse>): grpc.ClientUnaryCall;
  newDownstreamX509Ca(argument: _spire_api_server_svid_v1_NewDownstreamX509CARequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewDownstreamX509CAResponse>): grpc.ClientUnaryCall;
  newDownstreamX509Ca(argument: _spire_api_server_svid_v1_NewDownstreamX509CARequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewDownstreamX509CAResponse>): grpc.ClientUnaryCall;
  
  NewJWTSVID(argument: _spire_api_server_svid_v1_NewJWTSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewJWTSVIDResponse>): grpc.ClientUnaryCall;
  NewJWTSVID(argument: _spire_api_server_svid_v1_NewJWTSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewJWTSVIDResponse>): grpc.ClientUnaryCall;
  NewJWTSVID(argument: _spire_api_server_svid_v1_NewJWTSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewJWTSVIDResponse>): grpc.ClientUnaryCall;
  NewJWTSVID(argument: _spire_api_server_svid_v1_NewJWTSVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewJWTSVIDResponse>): grpc.ClientUnaryCall;
  newJwtsvid(argument: _spire_api_server_svid_v1_NewJWTSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewJWTSVIDResponse>): grpc.ClientUnaryCall;
  newJwtsvid(argument: _spire_api_server_svid_v1_NewJWTSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewJWTSVIDResponse>): grpc.ClientUnaryCall;
  newJwtsvid(argument: _spire_api_server_svid_v1_NewJWTSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewJWTSVIDResponse>): grpc.ClientUnaryCall;
  newJwtsvid(argument: _spire_api_server_svid_v1_NewJWTSVIDRequest$Input, callback: grpc.requestCallback<_spire_api_server_svid_v1_NewJWTSVIDResponse>): grpc.ClientUnaryCall;
  
}

export interface SVIDHandlers extends grpc.UntypedServiceImplementation {
  BatchNewWITSVID: grpc.handleUnaryCall<_spire_api_server_svid_v1_BatchNewWITSVIDRequest, _spire_api_server_svid_v1_BatchNewWITSVIDResponse$Input>;
  
  BatchNewX509SVID: grpc.handleUnaryCall<_spire_api_server_svid_v1_BatchNewX509SVIDRequest, _spire_api_server_svid_v1_BatchNewX509SVIDResponse$Input>;
  
  MintJWTSVID: grpc.handleUnaryCall<_spire_api_server_svid_v1_MintJWTSVIDRequest, _spire_api_server_svid_v1_MintJWTSVIDResponse$Input>;
  
  MintWITSVID: grpc.handleUnaryCall<_spire_api_server_svid_v1_MintWITSVIDRequest, _spire_api_server_svid_v1_MintWITSVIDResponse$Input>;
  
  MintX509SVID: grpc.handleUnaryCall<_spire_api_server_svid_v1_MintX509SVIDRequest, _spire_api_server_svid_v1_MintX509SVIDResponse$Input>;
  
  NewDownstreamX509CA: grpc.handleUnaryCall<_spire_api_server_svid_v1_NewDownstreamX509CARequest, _spire_api_server_svid_v1_NewDownstreamX509CAResponse$Input>;
  
  NewJWTSVID: grpc.handleUnaryCall<_spire_api_server_svid_v1_NewJWTSVIDRequest, _spire_api_server_svid_v1_NewJWTSVIDResponse$Input>;
  
}

export interface SVIDDefinition extends grpc.ServiceDefinition {
  BatchNewWITSVID: MethodDefinition<_spire_api_server_svid_v1_BatchNewWITSVIDRequest$Input, _spire_api_server_svid_v1_BatchNewWITSVIDResponse$Input, _spire_api_server_svid_v1_BatchNewWITSVIDRequest, _spire_api_server_svid_v1_BatchNewWITSVIDResponse>
  BatchNewX509SVID: MethodDefinition<_spire_api_server_svid_v1_BatchNewX509SVIDRequest$Input, _spire_api_server_svid_v1_BatchNewX509SVIDResponse$Input, _spire_api_server_svid_v1_BatchNewX509SVIDRequest, _spire_api_server_svid_v1_BatchNewX509SVIDResponse>
  MintJWTSVID: MethodDefinition<_spire_api_server_svid_v1_MintJWTSVIDRequest$Input, _spire_api_server_svid_v1_MintJWTSVIDResponse$Input, _spire_api_server_svid_v1_MintJWTSVIDRequest, _spire_api_server_svid_v1_MintJWTSVIDResponse>
  MintWITSVID: MethodDefinition<_spire_api_server_svid_v1_MintWITSVIDRequest$Input, _spire_api_server_svid_v1_MintWITSVIDResponse$Input, _spire_api_server_svid_v1_MintWITSVIDRequest, _spire_api_server_svid_v1_MintWITSVIDResponse>
  MintX509SVID: MethodDefinition<_spire_api_server_svid_v1_MintX509SVIDRequest$Input, _spire_api_server_svid_v1_MintX509SVIDResponse$Input, _spire_api_server_svid_v1_MintX509SVIDRequest, _spire_api_server_svid_v1_MintX509SVIDResponse>
  NewDownstreamX509CA: MethodDefinition<_spire_api_server_svid_v1_NewDownstreamX509CARequest$Input, _spire_api_server_svid_v1_NewDownstreamX509CAResponse$Input, _spire_api_server_svid_v1_NewDownstreamX509CARequest, _spire_api_server_svid_v1_NewDownstreamX509CAResponse>
  NewJWTSVID: MethodDefinition<_spire_api_server_svid_v1_NewJWTSVIDRequest$Input, _spire_api_server_svid_v1_NewJWTSVIDResponse$Input, _spire_api_server_svid_v1_NewJWTSVIDRequest, _spire_api_server_svid_v1_NewJWTSVIDResponse>
}
