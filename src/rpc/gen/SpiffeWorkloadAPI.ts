import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { JWTBundlesRequest$Input as _JWTBundlesRequest$Input, JWTBundlesRequest as _JWTBundlesRequest } from './JWTBundlesRequest.ts';
import type { JWTBundlesResponse$Input as _JWTBundlesResponse$Input, JWTBundlesResponse as _JWTBundlesResponse } from './JWTBundlesResponse.ts';
import type { JWTSVIDRequest$Input as _JWTSVIDRequest$Input, JWTSVIDRequest as _JWTSVIDRequest } from './JWTSVIDRequest.ts';
import type { JWTSVIDResponse$Input as _JWTSVIDResponse$Input, JWTSVIDResponse as _JWTSVIDResponse } from './JWTSVIDResponse.ts';
import type { ValidateJWTSVIDRequest$Input as _ValidateJWTSVIDRequest$Input, ValidateJWTSVIDRequest as _ValidateJWTSVIDRequest } from './ValidateJWTSVIDRequest.ts';
import type { ValidateJWTSVIDResponse$Input as _ValidateJWTSVIDResponse$Input, ValidateJWTSVIDResponse as _ValidateJWTSVIDResponse } from './ValidateJWTSVIDResponse.ts';
import type { WITBundlesRequest$Input as _WITBundlesRequest$Input, WITBundlesRequest as _WITBundlesRequest } from './WITBundlesRequest.ts';
import type { WITBundlesResponse$Input as _WITBundlesResponse$Input, WITBundlesResponse as _WITBundlesResponse } from './WITBundlesResponse.ts';
import type { WITSVIDRequest$Input as _WITSVIDRequest$Input, WITSVIDRequest as _WITSVIDRequest } from './WITSVIDRequest.ts';
import type { WITSVIDResponse$Input as _WITSVIDResponse$Input, WITSVIDResponse as _WITSVIDResponse } from './WITSVIDResponse.ts';
import type { X509BundlesRequest$Input as _X509BundlesRequest$Input, X509BundlesRequest as _X509BundlesRequest } from './X509BundlesRequest.ts';
import type { X509BundlesResponse$Input as _X509BundlesResponse$Input, X509BundlesResponse as _X509BundlesResponse } from './X509BundlesResponse.ts';
import type { X509SVIDRequest$Input as _X509SVIDRequest$Input, X509SVIDRequest as _X509SVIDRequest } from './X509SVIDRequest.ts';
import type { X509SVIDResponse$Input as _X509SVIDResponse$Input, X509SVIDResponse as _X509SVIDResponse } from './X509SVIDResponse.ts';

export interface SpiffeWorkloadAPIClient extends grpc.Client {
  FetchJWTBundles(argument: _JWTBundlesRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_JWTBundlesResponse>;
  FetchJWTBundles(argument: _JWTBundlesRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_JWTBundlesResponse>;
  fetchJwtBundles(argument: _JWTBundlesRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_JWTBundlesResponse>;
  fetchJwtBundles(argument: _JWTBundlesRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_JWTBundlesResponse>;
  
  FetchJWTSVID(argument: _JWTSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_JWTSVIDResponse>): grpc.ClientUnaryCall;
  FetchJWTSVID(argument: _JWTSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_JWTSVIDResponse>): grpc.ClientUnaryCall;
  FetchJWTSVID(argument: _JWTSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_JWTSVIDResponse>): grpc.ClientUnaryCall;
  FetchJWTSVID(argument: _JWTSVIDRequest$Input, callback: grpc.requestCallback<_JWTSVIDResponse>): grpc.ClientUnaryCall;
  fetchJwtsvid(argument: _JWTSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_JWTSVIDResponse>): grpc.ClientUnaryCall;
  fetchJwtsvid(argument: _JWTSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_JWTSVIDResponse>): grpc.ClientUnaryCall;
  fetchJwtsvid(argument: _JWTSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_JWTSVIDResponse>): grpc.ClientUnaryCall;
  fetchJwtsvid(argument: _JWTSVIDRequest$Input, callback: grpc.requestCallback<_JWTSVIDResponse>): grpc.ClientUnaryCall;
  
  FetchWITBundles(argument: _WITBundlesRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_WITBundlesResponse>;
  FetchWITBundles(argument: _WITBundlesRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_WITBundlesResponse>;
  fetchWitBundles(argument: _WITBundlesRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_WITBundlesResponse>;
  fetchWitBundles(argument: _WITBundlesRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_WITBundlesResponse>;
  
  FetchWITSVID(argument: _WITSVIDRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_WITSVIDResponse>;
  FetchWITSVID(argument: _WITSVIDRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_WITSVIDResponse>;
  fetchWitsvid(argument: _WITSVIDRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_WITSVIDResponse>;
  fetchWitsvid(argument: _WITSVIDRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_WITSVIDResponse>;
  
  FetchX509Bundles(argument: _X509BundlesRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_X509BundlesResponse>;
  FetchX509Bundles(argument: _X509BundlesRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_X509BundlesResponse>;
  fetchX509Bundles(argument: _X509BundlesRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_X509BundlesResponse>;
  fetchX509Bundles(argument: _X509BundlesRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_X509BundlesResponse>;
  
  FetchX509SVID(argument: _X509SVIDRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_X509SVIDResponse>;
  FetchX509SVID(argument: _X509SVIDRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_X509SVIDResponse>;
  fetchX509Svid(argument: _X509SVIDRequest$Input, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<_X509SVIDResponse>;
  fetchX509Svid(argument: _X509SVIDRequest$Input, options?: grpc.CallOptions): grpc.ClientReadableStream<_X509SVIDResponse>;
  
  ValidateJWTSVID(argument: _ValidateJWTSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_ValidateJWTSVIDResponse>): grpc.ClientUnaryCall;
  ValidateJWTSVID(argument: _ValidateJWTSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_ValidateJWTSVIDResponse>): grpc.ClientUnaryCall;
  ValidateJWTSVID(argument: _ValidateJWTSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_ValidateJWTSVIDResponse>): grpc.ClientUnaryCall;
  ValidateJWTSVID(argument: _ValidateJWTSVIDRequest$Input, callback: grpc.requestCallback<_ValidateJWTSVIDResponse>): grpc.ClientUnaryCall;
  validateJwtsvid(argument: _ValidateJWTSVIDRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_ValidateJWTSVIDResponse>): grpc.ClientUnaryCall;
  validateJwtsvid(argument: _ValidateJWTSVIDRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_ValidateJWTSVIDResponse>): grpc.ClientUnaryCall;
  validateJwtsvid(argument: _ValidateJWTSVIDRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_ValidateJWTSVIDResponse>): grpc.ClientUnaryCall;
  validateJwtsvid(argument: _ValidateJWTSVIDRequest$Input, callback: grpc.requestCallback<_ValidateJWTSVIDResponse>): grpc.ClientUnaryCall;
  
}

export interface SpiffeWorkloadAPIHandlers extends grpc.UntypedServiceImplementation {
  FetchJWTBundles: grpc.handleServerStreamingCall<_JWTBundlesRequest, _JWTBundlesResponse$Input>;
  
  FetchJWTSVID: grpc.handleUnaryCall<_JWTSVIDRequest, _JWTSVIDResponse$Input>;
  
  FetchWITBundles: grpc.handleServerStreamingCall<_WITBundlesRequest, _WITBundlesResponse$Input>;
  
  FetchWITSVID: grpc.handleServerStreamingCall<_WITSVIDRequest, _WITSVIDResponse$Input>;
  
  FetchX509Bundles: grpc.handleServerStreamingCall<_X509BundlesRequest, _X509BundlesResponse$Input>;
  
  FetchX509SVID: grpc.handleServerStreamingCall<_X509SVIDRequest, _X509SVIDResponse$Input>;
  
  ValidateJWTSVID: grpc.handleUnaryCall<_ValidateJWTSVIDRequest, _ValidateJWTSVIDResponse$Input>;
  
}

export interface SpiffeWorkloadAPIDefinition extends grpc.ServiceDefinition {
  FetchJWTBundles: MethodDefinition<_JWTBundlesRequest$Input, _JWTBundlesResponse$Input, _JWTBundlesRequest, _JWTBundlesResponse>
  FetchJWTSVID: MethodDefinition<_JWTSVIDRequest$Input, _JWTSVIDResponse$Input, _JWTSVIDRequest, _JWTSVIDResponse>
  FetchWITBundles: MethodDefinition<_WITBundlesRequest$Input, _WITBundlesResponse$Input, _WITBundlesRequest, _WITBundlesResponse>
  FetchWITSVID: MethodDefinition<_WITSVIDRequest$Input, _WITSVIDResponse$Input, _WITSVIDRequest, _WITSVIDResponse>
  FetchX509Bundles: MethodDefinition<_X509BundlesRequest$Input, _X509BundlesResponse$Input, _X509BundlesRequest, _X509BundlesResponse>
  FetchX509SVID: MethodDefinition<_X509SVIDRequest$Input, _X509SVIDResponse$Input, _X509SVIDRequest, _X509SVIDResponse>
  ValidateJWTSVID: MethodDefinition<_ValidateJWTSVIDRequest$Input, _ValidateJWTSVIDResponse$Input, _ValidateJWTSVIDRequest, _ValidateJWTSVIDResponse>
}
