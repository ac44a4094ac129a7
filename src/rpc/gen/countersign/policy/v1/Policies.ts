import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { ApplyRequest$Input as _countersign_policy_v1_ApplyRequest$Input, ApplyRequest as _countersign_policy_v1_ApplyRequest } from '../../../countersign/policy/v1/ApplyRequest.ts';
import type { ApplyResponse$Input as _countersign_policy_v1_ApplyResponse$Input, ApplyResponse as _countersign_policy_v1_ApplyResponse } from '../../../countersign/policy/v1/ApplyResponse.ts';
import type { ExplainRequest$Input as _countersign_policy_v1_ExplainRequest$Input, ExplainRequest as _countersign_policy_v1_ExplainRequest } from '../../../countersign/policy/v1/ExplainRequest.ts';
import type { ExplainResponse$Input as _countersign_policy_v1_ExplainResponse$Input, ExplainResponse as _countersign_policy_v1_ExplainResponse } from '../../../countersign/policy/v1/ExplainResponse.ts';
import type { HistoryRequest$Input as _countersign_policy_v1_HistoryRequest$Input, HistoryRequest as _countersign_policy_v1_HistoryRequest } from '../../../countersign/policy/v1/HistoryRequest.ts';
import type { HistoryResponse$Input as _countersign_policy_v1_HistoryResponse$Input, HistoryResponse as _countersign_policy_v1_HistoryResponse } from '../../../countersign/policy/v1/HistoryResponse.ts';
import type { ShowRequest$Input as _countersign_policy_v1_ShowRequest$Input, ShowRequest as _countersign_policy_v1_ShowRequest } from '../../../countersign/policy/v1/ShowRequest.ts';
import type { ShowResponse$Input as _countersign_policy_v1_ShowResponse$Input, ShowResponse as _countersign_policy_v1_ShowResponse } from '../../../countersign/policy/v1/ShowResponse.ts';

export interface PoliciesClient extends grpc.Client {
  Apply(argument: _countersign_policy_v1_ApplyRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ApplyResponse>): grpc.ClientUnaryCall;
  Apply(argument: _countersign_policy_v1_ApplyRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_policy_v1_ApplyResponse>): grpc.ClientUnaryCall;
  Apply(argument: _countersign_policy_v1_ApplyRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ApplyResponse>): grpc.ClientUnaryCall;
  Apply(argument: _countersign_policy_v1_ApplyRequest$Input, callback: grpc.requestCallback<_countersign_policy_v1_ApplyResponse>): grpc.ClientUnaryCall;
  apply(argument: _countersign_policy_v1_ApplyRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ApplyResponse>): grpc.ClientUnaryCall;
  apply(argument: _countersign_policy_v1_ApplyRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_policy_v1_ApplyResponse>): grpc.ClientUnaryCall;
  apply(argument: _countersign_policy_v1_ApplyRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ApplyResponse>): grpc.ClientUnaryCall;
  apply(argument: _countersign_policy_v1_ApplyRequest$Input, callback: grpc.requestCallback<_countersign_policy_v1_ApplyResponse>): grpc.ClientUnaryCall;
  
  Explain(argument: _countersign_policy_v1_ExplainRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  Explain(argument: _countersign_policy_v1_ExplainRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  Explain(argument: _countersign_policy_v1_ExplainRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  Explain(argument: _countersign_policy_v1_ExplainRequest$Input, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  explain(argument: _countersign_policy_v1_ExplainRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  explain(argument: _countersign_policy_v1_ExplainRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  explain(argument: _countersign_policy_v1_ExplainRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  explain(argument: _countersign_policy_v1_ExplainRequest$Input, callback: grpc.requestCallback<_countersign_policy_v1_ExplainResponse>): grpc.ClientUnaryCall;
  
  History(argument: _countersign_policy_v1_HistoryRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_HistoryResponse>): grpc.ClientUnaryCall;
  History(argument: _countersign_policy_v1_HistoryRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_policy_v1_HistoryResponse>): grpc.ClientUnaryCall;
  History(argument: _countersign_policy_v1_HistoryRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_HistoryResponse>): grpc.ClientUnaryCall;
  History(argument: _countersign_policy_v1_HistoryRequest$Input, callback: grpc.requestCallback<_countersign_policy_v1_HistoryResponse>): grpc.ClientUnaryCall;
  history(argument: _countersign_policy_v1_HistoryRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_HistoryResponse>): grpc.ClientUnaryCall;
  history(argument: _countersign_policy_v1_HistoryRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_policy_v1_HistoryResponse>): grpc.ClientUnaryCall;
  history(argument: _countersign_policy_v1_HistoryRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_HistoryResponse>): grpc.ClientUnaryCall;
  history(argument: _countersign_policy_v1_HistoryRequest$Input, callback: grpc.requestCallback<_countersign_policy_v1_HistoryResponse>): grpc.ClientUnaryCall;
  
  Show(argument: _countersign_policy_v1_ShowRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ShowResponse>): grpc.ClientUnaryCall;
  Show(argument: _countersign_policy_v1_ShowRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_policy_v1_ShowResponse>): grpc.ClientUnaryCall;
  Show(argument: _countersign_policy_v1_ShowRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ShowResponse>): grpc.ClientUnaryCall;
  Show(argument: _countersign_policy_v1_ShowRequest$Input, callback: grpc.requestCallback<_countersign_policy_v1_ShowResponse>): grpc.ClientUnaryCall;
  show(argument: _countersign_policy_v1_ShowRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ShowResponse>): grpc.ClientUnaryCall;
  show(argument: _countersign_policy_v1_ShowRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_policy_v1_ShowResponse>): grpc.ClientUnaryCall;
  show(argument: _countersign_policy_v1_ShowRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_policy_v1_ShowResponse>): grpc.ClientUnaryCall;
  show(argument: _countersign_policy_v1_ShowRequest$Input, callback: grpc.requestCallback<_countersign_policy_v1_ShowResponse>): grpc.ClientUnaryCall;
  
}

export interface PoliciesHandlers extends grpc.UntypedServiceImplementation {
  Apply: grpc.handleUnaryCall<_countersign_policy_v1_ApplyRequest, _countersign_policy_v1_ApplyResponse$Input>;
  
  Explain: grpc.handleUnaryCall<_countersign_policy_v1_ExplainRequest, _countersign_policy_v1_ExplainResponse$Input>;
  
  History: grpc.handleUnaryCall<_countersign_policy_v1_HistoryRequest, _countersign_policy_v1_HistoryResponse$Input>;
  
  Show: grpc.handleUnaryCall<_countersign_policy_v1_ShowRequest, _countersign_policy_v1_ShowResponse$Input>;
  
}

export interface PoliciesDefinition extends grpc.ServiceDefinition {
  Apply: MethodDefinition<_countersign_policy_v1_ApplyRequest$Input, _countersign_policy_v1_ApplyResponse$Input, _countersign_policy_v1_ApplyRequest, _countersign_policy_v1_ApplyResponse>
  Explain: MethodDefinition<_countersign_policy_v1_ExplainRequest$Input, _countersign_policy_v1_ExplainResponse$Input, _countersign_policy_v1_ExplainRequest, _countersign_policy_v1_ExplainResponse>
  History: MethodDefinition<_countersign_policy_v1_HistoryRequest$Input, _countersign_policy_v1_HistoryResponse$Input, _countersign_policy_v1_HistoryRequest, _countersign_policy_v1_HistoryResponse>
  Show: MethodDefinition<_countersign_policy_v1_ShowRequest$Input, _countersign_policy_v1_ShowResponse$Input, _countersign_policy_v1_ShowRequest, _countersign_policy_v1_ShowResponse>
}
