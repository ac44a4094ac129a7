import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { OffboardOwnerRequest$Input as _countersign_revocation_v1_OffboardOwnerRequest$Input, OffboardOwnerRequest as _countersign_revocation_v1_OffboardOwnerRequest } from '../../../countersign/revocation/v1/OffboardOwnerRequest.ts';
import type { OffboardOwnerResponse$Input as _countersign_revocation_v1_OffboardOwnerResponse$Input, OffboardOwnerResponse as _countersign_revocation_v1_OffboardOwnerResponse } from '../../../countersign/revocation/v1/OffboardOwnerResponse.ts';
import type { RevokeRequest$Input as _countersign_revocation_v1_RevokeRequest$Input, RevokeRequest as _countersign_revocation_v1_RevokeRequest } from '../../../countersign/revocation/v1/RevokeRequest.ts';
import type { RevokeResponse$Input as _countersign_revocation_v1_RevokeResponse$Input, RevokeResponse as _countersign_revocation_v1_RevokeResponse } from '../../../countersign/revocation/v1/RevokeResponse.ts';

export interface RevocationClient extends grpc.Client {
  OffboardOwner(argument: _countersign_revocation_v1_OffboardOwnerRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_revocation_v1_OffboardOwnerResponse>): grpc.ClientUnaryCall;
  OffboardOwner(argument: _countersign_revocation_v1_OffboardOwnerRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_revocation_v1_OffboardOwnerResponse>): grpc.ClientUnaryCall;
  OffboardOwner(argument: _countersign_revocation_v1_OffboardOwnerRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_revocation_v1_OffboardOwnerResponse>): grpc.ClientUnaryCall;
  OffboardOwner(argument: _countersign_revocation_v1_OffboardOwnerRequest$Input, callback: grpc.requestCallback<_countersign_revocation_v1_OffboardOwnerResponse>): grpc.ClientUnaryCall;
  offboardOwner(argument: _countersign_revocation_v1_OffboardOwnerRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_revocation_v1_OffboardOwnerResponse>): grpc.ClientUnaryCall;
  offboardOwner(argument: _countersign_revocation_v1_OffboardOwnerRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_revocation_v1_OffboardOwnerResponse>): grpc.ClientUnaryCall;
  offboardOwner(argument: _countersign_revocation_v1_OffboardOwnerRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_revocation_v1_OffboardOwnerResponse>): grpc.ClientUnaryCall;
  offboardOwner(argument: _countersign_revocation_v1_OffboardOwnerRequest$Input, callback: grpc.requestCallback<_countersign_revocation_v1_OffboardOwnerResponse>): grpc.ClientUnaryCall;
  
  Revoke(argument: _countersign_revocation_v1_RevokeRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_revocation_v1_RevokeResponse>): grpc.ClientUnaryCall;
  Revoke(argument: _countersign_revocation_v1_RevokeRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_revocation_v1_RevokeResponse>): grpc.ClientUnaryCall;
  Revoke(argument: _countersign_revocation_v1_RevokeRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_revocation_v1_RevokeResponse>): grpc.ClientUnaryCall;
  Revoke(argument: _countersign_revocation_v1_RevokeRequest$Input, callback: grpc.requestCallback<_countersign_revocation_v1_RevokeResponse>): grpc.ClientUnaryCall;
  revoke(argument: _countersign_revocation_v1_RevokeRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_revocation_v1_RevokeResponse>): grpc.ClientUnaryCall;
  revoke(argument: _countersign_revocation_v1_RevokeRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_revocation_v1_RevokeResponse>): grpc.ClientUnaryCall;
  revoke(argument: _countersign_revocation_v1_RevokeRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_revocation_v1_RevokeResponse>): grpc.ClientUnaryCall;
  revoke(argument: _countersign_revocation_v1_RevokeRequest$Input, callback: grpc.requestCallback<_countersign_revocation_v1_RevokeResponse>): grpc.ClientUnaryCall;
  
}

export interface RevocationHandlers extends grpc.UntypedServiceImplementation {
  OffboardOwner: grpc.handleUnaryCall<_countersign_revocation_v1_OffboardOwnerRequest, _countersign_revocation_v1_OffboardOwnerResponse$Input>;
  
  Revoke: grpc.handleUnaryCall<_countersign_revocation_v1_RevokeRequest, _countersign_revocation_v1_RevokeResponse$Input>;
  
}

export interface RevocationDefinition extends grpc.ServiceDefinition {
  OffboardOwner: MethodDefinition<_countersign_revocation_v1_OffboardOwnerRequest$Input, _countersign_revocation_v1_OffboardOwnerResponse$Input, _countersign_revocation_v1_OffboardOwnerRequest, _countersign_revocation_v1_OffboardOwnerResponse>
  Revoke: MethodDefinition<_countersign_revocation_v1_RevokeRequest$Input, _countersign_revocation_v1_RevokeResponse$Input, _countersign_revocation_v1_RevokeRequest, _countersign_revocation_v1_RevokeResponse>
}
