import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { FollowRequest$Input as _countersign_sync_v1_FollowRequest$Input, FollowRequest as _countersign_sync_v1_FollowRequest } from '../../../countersign/sync/v1/FollowRequest.ts';
import type { Update$Input as _countersign_sync_v1_Update$Input, Update as _countersign_sync_v1_Update } from '../../../countersign/sync/v1/Update.ts';

export interface SyncClient extends grpc.Client {
  Follow(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_countersign_sync_v1_FollowRequest$Input, _countersign_sync_v1_Update>;
  Follow(options?: grpc.CallOptions): grpc.ClientDuplexStream<_countersign_sync_v1_FollowRequest$Input, _countersign_sync_v1_Update>;
  follow(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_countersign_sync_v1_FollowRequest$Input, _countersign_sync_v1_Update>;
  follow(options?: grpc.CallOptions): grpc.ClientDuplexStream<_countersign_sync_v1_FollowRequest$Input, _countersign_sync_v1_Update>;
  
}

export interface SyncHandlers extends grpc.UntypedServiceImplementation {
  Follow: grpc.handleBidiStreamingCall<_countersign_sync_v1_FollowRequest, _countersign_sync_v1_Update$Input>;
  
}

export interface SyncDefinition extends grpc.ServiceDefinition {
  Follow: MethodDefinition<_countersign_sync_v1_FollowRequest$Input, _countersign_sync_v1_Update$Input, _countersign_sync_v1_FollowRequest, _countersign_sync_v1_Update>
}
