import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ExplainRequest$Input as _countersign_policy_v1_ExplainRequest$Input, ExplainRequest as _countersign_policy_v1_ExplainRequest } from '../../../countersign/policy/v1/ExplainRequest.ts';
import type { ExplainResponse$Input as _countersign_policy_v1_ExplainResponse$Input, ExplainResponse as _countersign_policy_v1_ExplainResponse } from '../../../countersign/policy/v1/ExplainResponse.ts';

export interface PoliciesClient extends grpc.Client {
  Explain(argument: _countersign_policy_v1_ExplainRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  Explain(argument: _countersign_policy_v1_ExplainRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  Explain(argument: _countersign_policy_v1_ExplainRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  Explain(argument: _countersign_policy_v1_ExplainRequest$Input, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  explain(argument: _countersign_policy_v1_ExplainRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  explain(argument: _countersign_policy_v1_ExplainRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  explain(argument: _countersign_policy_v1_ExplainRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  explain(argument: _countersign_policy_v1_ExplainRequest$Input, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  
}

export interface PoliciesHandlers extends grpc.UntypedServiceImplementation {
  Explain: grpc.handleUnaryCall<_countersign_policy_v1_ExplainRequest, _countersign_policy_v1_ExplainResponse$Input>;
  
}

export interface PoliciesDefinition extends grpc.ServiceDefinition {
  Explain: MethodDefinition<_countersign_policy_v1_ExplainRequest$Input, _countersign_policy_v1_ExplainResponse$Input, _countersign_policy_v1_ExplainRequest, _countersign_policy_v1_ExplainResponse>
}
