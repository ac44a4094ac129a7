import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { BatchCreateRequest$Input as _countersign_registry_v1_BatchCreateRequest$Input, BatchCreateRequest as _countersign_registry_v1_BatchCreateRequest } from '../../../countersign/registry/v1/BatchCreateRequest.ts';
import type { BatchDeleteRequest$Input as _countersign_registry_v1_BatchDeleteRequest$Input, BatchDeleteRequest as _countersign_registry_v1_BatchDeleteRequest } from '../../../countersign/registry/v1/BatchDeleteRequest.ts';
import type { BatchDisableRequest$Input as _countersign_registry_v1_BatchDisableRequest$Input, BatchDisableRequest as _countersign_registry_v1_BatchDisableRequest } from '../../../countersign/registry/v1/BatchDisableRequest.ts';
import type { BatchEnableRequest$Input as _countersign_registry_v1_BatchEnableRequest$Input, BatchEnableRequest as _countersign_registry_v1_BatchEnableRequest } from '../../../countersign/registry/v1/BatchEnableRequest.ts';
import type { BatchResponse$Input as _countersign_registry_v1_BatchResponse$Input, BatchResponse as _countersign_registry_v1_BatchResponse } from '../../../countersign/registry/v1/BatchResponse.ts';
import type { BatchUpdateRequest$Input as _countersign_registry_v1_BatchUpdateRequest$Input, BatchUpdateRequest as _countersign_registry_v1_BatchUpdateRequest } from '../../../countersign/registry/v1/BatchUpdateRequest.ts';
import type { CountRequest$Input as _countersign_registry_v1_CountRequest$Input, CountRequest as _countersign_registry_v1_CountRequest } from '../../../countersign/registry/v1/CountRequest.ts';
import type { CountResponse$Input as _countersign_registry_v1_CountResponse$Input, CountResponse as _countersign_registry_v1_CountResponse } from '../../../countersign/registry/v1/CountResponse.ts';
import type { GetRequest$Input as _countersign_registry_v1_GetRequest$Input, GetRequest as _countersign_registry_v1_GetRequest } from '../../../countersign/registry/v1/GetRequest.ts';
import type { ListRequest$Input as _countersign_registry_v1_ListRequest$Input, ListRequest as _countersign_registry_v1_ListRequest } from '../../../countersign/registry/v1/ListRequest.ts';
import type { ListResponse$Input as _countersign_registry_v1_ListResponse$Input, ListResponse as _countersign_registry_v1_ListResponse } from '../../../countersign/registry/v1/ListResponse.ts';
import type { RegisteredEntry$Input as _countersign_registry_v1_RegisteredEntry$Input, RegisteredEntry as _countersign_registry_v1_RegisteredEntry } from '../../../countersign/registry/v1/RegisteredEntry.ts';
import type { WaitAppliedRequest$Input as _countersign_registry_v1_WaitAppliedRequest$Input, WaitAppliedRequest as _countersign_registry_v1_WaitAppliedRequest } from '../../../countersign/registry/v1/WaitAppliedRequest.ts';
import type { WaitAppliedResponse$Input as _countersign_registry_v1_WaitAppliedResponse$Input, WaitAppliedResponse as _countersign_registry_v1_WaitAppliedResponse } from '../../../countersign/registry/v1/WaitAppliedResponse.ts';

export interface RegistryClient extends grpc.Client {
  BatchCreate(argument: _countersign_registry_v1_BatchCreateRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchCreate(argument: _countersign_registry_v1_BatchCreateRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchCreate(argument: _countersign_registry_v1_BatchCreateRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchCreate(argument: _countersign_registry_v1_BatchCreateRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchCreate(argument: _countersign_registry_v1_BatchCreateRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchCreate(argument: _countersign_registry_v1_BatchCreateRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchCreate(argument: _countersign_registry_v1_BatchCreateRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchCreate(argument: _countersign_registry_v1_BatchCreateRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  
  BatchDelete(argument: _countersign_registry_v1_BatchDeleteRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchDelete(argument: _countersign_registry_v1_BatchDeleteRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchDelete(argument: _countersign_registry_v1_BatchDeleteRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchDelete(argument: _countersign_registry_v1_BatchDeleteRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchDelete(argument: _countersign_registry_v1_BatchDeleteRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchDelete(argument: _countersign_registry_v1_BatchDeleteRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchDelete(argument: _countersign_registry_v1_BatchDeleteRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchDelete(argument: _countersign_registry_v1_BatchDeleteRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  
  BatchDisable(argument: _countersign_registry_v1_BatchDisableRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchDisable(argument: _countersign_registry_v1_BatchDisableRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchDisable(argument: _countersign_registry_v1_BatchDisableRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchDisable(argument: _countersign_registry_v1_BatchDisableRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchDisable(argument: _countersign_registry_v1_BatchDisableRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchDisable(argument: _countersign_registry_v1_BatchDisableRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchDisable(argument: _countersign_registry_v1_BatchDisableRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchDisable(argument: _countersign_registry_v1_BatchDisableRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  
  BatchEnable(argument: _countersign_registry_v1_BatchEnableRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchEnable(argument: _countersign_registry_v1_BatchEnableRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchEnable(argument: _countersign_registry_v1_BatchEnableRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchEnable(argument: _countersign_registry_v1_BatchEnableRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchEnable(argument: _countersign_registry_v1_BatchEnableRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchEnable(argument: _countersign_registry_v1_BatchEnableRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchEnable(argument: _countersign_registry_v1_BatchEnableRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchEnable(argument: _countersign_registry_v1_BatchEnableRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  
  BatchUpdate(argument: _countersign_registry_v1_BatchUpdateRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchUpdate(argument: _countersign_registry_v1_BatchUpdateRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchUpdate(argument: _countersign_registry_v1_BatchUpdateRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  BatchUpdate(argument: _countersign_registry_v1_BatchUpdateRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchUpdate(argument: _countersign_registry_v1_BatchUpdateRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchUpdate(argument: _countersign_registry_v1_BatchUpdateRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchUpdate(argument: _countersign_registry_v1_BatchUpdateRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  batchUpdate(argument: _countersign_registry_v1_BatchUpdateRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_BatchResponse>): grpc.ClientUnaryCall;
  
  Count(argument: _countersign_registry_v1_CountRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_CountResponse>): grpc.ClientUnaryCall;
  Count(argument: _countersign_registry_v1_CountRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_CountResponse>): grpc.ClientUnaryCall;
  Count(argument: _countersign_registry_v1_CountRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_CountResponse>): grpc.ClientUnaryCall;
  Count(argument: _countersign_registry_v1_CountRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_CountResponse>): grpc.ClientUnaryCall;
  count(argument: _countersign_registry_v1_CountRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_CountResponse>): grpc.ClientUnaryCall;
  count(argument: _countersign_registry_v1_CountRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_CountResponse>): grpc.ClientUnaryCall;
  count(argument: _countersign_registry_v1_CountRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_CountResponse>): grpc.ClientUnaryCall;
  count(argument: _countersign_registry_v1_CountRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_CountResponse>): grpc.ClientUnaryCall;
  
  Get(argument: _countersign_registry_v1_GetRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_RegisteredEntry>): grpc.ClientUnaryCall;
  Get(argument: _countersign_registry_v1_GetRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_RegisteredEntry>): grpc.ClientUnaryCall;
  Get(argument: _countersign_registry_v1_GetRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_RegisteredEntry>): grpc.ClientUnaryCall;
  Get(argument: _countersign_registry_v1_GetRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_RegisteredEntry>): grpc.ClientUnaryCall;
  get(argument: _countersign_registry_v1_GetRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_RegisteredEntry>): grpc.ClientUnaryCall;
  get(argument: _countersign_registry_v1_GetRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_RegisteredEntry>): grpc.ClientUnaryCall;
  get(argument: _countersign_registry_v1_GetRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_RegisteredEntry>): grpc.ClientUnaryCall;
  get(argument: _countersign_registry_v1_GetRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_RegisteredEntry>): grpc.ClientUnaryCall;
  
  List(argument: _countersign_registry_v1_ListRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _countersign_registry_v1_ListRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _countersign_registry_v1_ListRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_ListResponse>): grpc.ClientUnaryCall;
  List(argument: _countersign_registry_v1_ListRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_registry_v1_ListRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_registry_v1_ListRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_registry_v1_ListRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_ListResponse>): grpc.ClientUnaryCall;
  list(argument: _countersign_registry_v1_ListRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_ListResponse>): grpc.ClientUnaryCall;
  
  WaitApplied(argument: _countersign_registry_v1_WaitAppliedRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_WaitAppliedResponse>): grpc.ClientUnaryCall;
  WaitApplied(argument: _countersign_registry_v1_WaitAppliedRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_WaitAppliedResponse>): grpc.ClientUnaryCall;
  WaitApplied(argument: _countersign_registry_v1_WaitAppliedRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_WaitAppliedResponse>): grpc.ClientUnaryCall;
  WaitApplied(argument: _countersign_registry_v1_WaitAppliedRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_WaitAppliedResponse>): grpc.ClientUnaryCall;
  waitApplied(argument: _countersign_registry_v1_WaitAppliedRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_WaitAppliedResponse>): grpc.ClientUnaryCall;
  waitApplied(argument: _countersign_registry_v1_WaitAppliedRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_countersign_registry_v1_WaitAppliedResponse>): grpc.ClientUnaryCall;
  waitApplied(argument: _countersign_registry_v1_WaitAppliedRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_countersign_registry_v1_WaitAppliedResponse>): grpc.ClientUnaryCall;
  waitApplied(argument: _countersign_registry_v1_WaitAppliedRequest$Input, callback: grpc.requestCallback<_countersign_registry_v1_WaitAppliedResponse>): grpc.ClientUnaryCall;
  
}

export interface RegistryHandlers extends grpc.UntypedServiceImplementation {
  BatchCreate: grpc.handleUnaryCall<_countersign_registry_v1_BatchCreateRequest, _countersign_registry_v1_BatchResponse$Input>;
  
  BatchDelete: grpc.handleUnaryCall<_countersign_registry_v1_BatchDeleteRequest, _countersign_registry_v1_BatchResponse$Input>;
  
  BatchDisable: grpc.handleUnaryCall<_countersign_registry_v1_BatchDisableRequest, _countersign_registry_v1_BatchResponse$Input>;
  
  BatchEnable: grpc.handleUnaryCall<_countersign_registry_v1_BatchEnableRequest, _countersign_registry_v1_BatchResponse$Input>;
  
  BatchUpdate: grpc.handleUnaryCall<_countersign_registry_v1_BatchUpdateRequest, _countersign_registry_v1_BatchResponse$Input>;
  
  Count: grpc.handleUnaryCall<_countersign_registry_v1_CountRequest, _countersign_registry_v1_CountResponse$Input>;
  
  Get: grpc.handleUnaryCall<_countersign_registry_v1_GetRequest, _countersign_registry_v1_RegisteredEntry$Input>;
  
  List: grpc.handleUnaryCall<_countersign_registry_v1_ListRequest, _countersign_registry_v1_ListResponse$Input>;
  
  WaitApplied: grpc.handleUnaryCall<_countersign_registry_v1_WaitAppliedRequest, _countersign_registry_v1_WaitAppliedResponse$Input>;
  
}

export interface RegistryDefinition extends grpc.ServiceDefinition {
  BatchCreate: MethodDefinition<_countersign_registry_v1_BatchCreateRequest$Input, _countersign_registry_v1_BatchResponse$Input, _countersign_registry_v1_BatchCreateRequest, _countersign_registry_v1_BatchResponse>
  BatchDelete: MethodDefinition<_countersign_registry_v1_BatchDeleteRequest$Input, _countersign_registry_v1_BatchResponse$Input, _countersign_registry_v1_BatchDeleteRequest, _countersign_registry_v1_BatchResponse>
  BatchDisable: MethodDefinition<_countersign_registry_v1_BatchDisableRequest$Input, _countersign_registry_v1_BatchResponse$Input, _countersign_registry_v1_BatchDisableRequest, _countersign_registry_v1_BatchResponse>
  BatchEnable: MethodDefinition<_countersign_registry_v1_BatchEnableRequest$Input, _countersign_registry_v1_BatchResponse$Input, _countersign_registry_v1_BatchEnableRequest, _countersign_registry_v1_BatchResponse>
  BatchUpdate: MethodDefinition<_countersign_registry_v1_BatchUpdateRequest$Input, _countersign_registry_v1_BatchResponse$Input, _countersign_registry_v1_BatchUpdateRequest, _countersign_registry_v1_BatchResponse>
  Count: MethodDefinition<_countersign_registry_v1_CountRequest$Input, _countersign_registry_v1_CountResponse$Input, _countersign_registry_v1_CountRequest, _countersign_registry_v1_CountResponse>
  Get: MethodDefinition<_countersign_registry_v1_GetRequest$Input, _countersign_registry_v1_RegisteredEntry$Input, _countersign_registry_v1_GetRequest, _countersign_registry_v1_RegisteredEntry>
  List: MethodDefinition<_countersign_registry_v1_ListRequest$Input, _countersign_registry_v1_ListResponse$Input, _countersign_registry_v1_ListRequest, _countersign_registry_v1_ListResponse>
  WaitApplied: MethodDefinition<_countersign_registry_v1_WaitAppliedRequest$Input, _countersign_registry_v1_WaitAppliedResponse$Input, _countersign_registry_v1_WaitAppliedRequest, _countersign_registry_v1_WaitAppliedResponse>
}
