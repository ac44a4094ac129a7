import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { BatchCreateEntryRequest$Input as _spire_api_server_entry_v1_BatchCreateEntryRequest$Input, BatchCreateEntryRequest as _spire_api_server_entry_v1_BatchCreateEntryRequest } from '../../../../../spire/api/server/entry/v1/BatchCreateEntryRequest.ts';
import type { BatchCreateEntryResponse$Input as _spire_api_server_entry_v1_BatchCreateEntryResponse$Input, BatchCreateEntryResponse as _spire_api_server_entry_v1_BatchCreateEntryResponse } from '../../../../../spire/api/server/entry/v1/BatchCreateEntryResponse.ts';
import type { BatchDeleteEntryRequest$Input as _spire_api_server_entry_v1_BatchDeleteEntryRequest$Input, BatchDeleteEntryRequest as _spire_api_server_entry_v1_BatchDeleteEntryRequest } from '../../../../../spire/api/server/entry/v1/BatchDeleteEntryRequest.ts';
import type { BatchDeleteEntryResponse$Input as _spire_api_server_entry_v1_BatchDeleteEntryResponse$Input, BatchDeleteEntryResponse as _spire_api_server_entry_v1_BatchDeleteEntryResponse } from '../../../../../spire/api/server/entry/v1/BatchDeleteEntryResponse.ts';
import type { BatchUpdateEntryRequest$Input as _spire_api_server_entry_v1_BatchUpdateEntryRequest$Input, BatchUpdateEntryRequest as _spire_api_server_entry_v1_BatchUpdateEntryRequest } from '../../../../../spire/api/server/entry/v1/BatchUpdateEntryRequest.ts';
import type { BatchUpdateEntryResponse$Input as _spire_api_server_entry_v1_BatchUpdateEntryResponse$Input, BatchUpdateEntryResponse as _spire_api_server_entry_v1_BatchUpdateEntryResponse } from '../../../../../spire/api/server/entry/v1/BatchUpdateEntryResponse.ts';
import type { CountEntriesRequest$Input as _spire_api_server_entry_v1_CountEntriesRequest$Input, CountEntriesRequest as _spire_api_server_entry_v1_CountEntriesRequest } from '../../../../../spire/api/server/entry/v1/CountEntriesRequest.ts';
import type { CountEntriesResponse$Input as _spire_api_server_entry_v1_CountEntriesResponse$Input, CountEntriesResponse as _spire_api_server_entry_v1_CountEntriesResponse } from '../../../../../spire/api/server/entry/v1/CountEntriesResponse.ts';
import type { Entry$Input as _spire_api_types_Entry$Input, Entry as _spire_api_types_Entry } from '../../../../../spire/api/types/Entry.ts';
import type { GetAuthorizedEntriesRequest$Input as _spire_api_server_entry_v1_GetAuthorizedEntriesRequest$Input, GetAuthorizedEntriesRequest as _spire_api_server_entry_v1_GetAuthorizedEntriesRequest } from '../../../../../spire/api/server/entry/v1/GetAuthorizedEntriesRequest.ts';
import type { GetAuthorizedEntriesResponse$Input as _spire_api_server_entry_v1_GetAuthorizedEntriesResponse$Input, GetAuthorizedEntriesResponse as _spire_api_server_entry_v1_GetAuthorizedEntriesResponse } from '../../../../../spire/api/server/entry/v1/GetAuthorizedEntriesResponse.ts';
import type { GetEntryRequest$Input as _spire_api_server_entry_v1_GetEntryRequest$Input, GetEntryRequest as _spire_api_server_entry_v1_GetEntryRequest } from '../../../../../spire/api/server/entry/v1/GetEntryRequest.ts';
import type { ListEntriesRequest$Input as _spire_api_server_entry_v1_ListEntriesRequest$Input, ListEntriesRequest as _spire_api_server_entry_v1_ListEntriesRequest } from '../../../../../spire/api/server/entry/v1/ListEntriesRequest.ts';
import type { ListEntriesResponse$Input as _spire_api_server_entry_v1_ListEntriesResponse$Input, ListEntriesResponse as _spire_api_server_entry_v1_ListEntriesResponse } from '../../../../../spire/api/server/entry/v1/ListEntriesResponse.ts';
import type { SyncAuthorizedEntriesRequest$Input as _spire_api_server_entry_v1_SyncAuthorizedEntriesRequest$Input, SyncAuthorizedEntriesRequest as _spire_api_server_entry_v1_SyncAuthorizedEntriesRequest } from '../../../../../spire/api/server/entry/v1/SyncAuthorizedEntriesRequest.ts';
import type { SyncAuthorizedEntriesResponse$Input as _spire_api_server_entry_v1_SyncAuthorizedEntriesResponse$Input, SyncAuthorizedEntriesResponse as _spire_api_server_entry_v1_SyncAuthorizedEntriesResponse } from '../../../../../spire/api/server/entry/v1/SyncAuthorizedEntriesResponse.ts';

export interface EntryClient extends grpc.Client {
  BatchCreateEntry(argument: _spire_api_server_entry_v1_BatchCreateEntryRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchCreateEntryResponse>): grpc.ClientUnaryCall;
  BatchCreateEntry(argument: _spire_api_server_entry_v1_BatchCreateEntryRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchCreateEntryResponse>): grpc.ClientUnaryCall;
  BatchCreateEntry(argument: _spire_api_server_entry_v1_BatchCreateEntryRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchCreateEntryResponse>): grpc.ClientUnaryCall;
  BatchCreateEntry(argument: _spire_api_server_entry_v1_BatchCreateEntryRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchCreateEntryResponse>): grpc.ClientUnaryCall;
  batchCreateEntry(argument: _spire_api_server_entry_v1_BatchCreateEntryRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchCreateEntryResponse>): grpc.ClientUnaryCall;
  batchCreateEntry(argument: _spire_api_server_entry_v1_BatchCreateEntryRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchCreateEntryResponse>): grpc.ClientUnaryCall;
  batchCreateEntry(argument: _spire_api_server_entry_v1_BatchCreateEntryRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchCreateEntryResponse>): grpc.ClientUnaryCall;
  batchCreateEntry(argument: _spire_api_server_entry_v1_BatchCreateEntryRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchCreateEntryResponse>): grpc.ClientUnaryCall;
  
  BatchDeleteEntry(argument: _spire_api_server_entry_v1_BatchDeleteEntryRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchDeleteEntryResponse>): grpc.ClientUnaryCall;
  BatchDeleteEntry(argument: _spire_api_server_entry_v1_BatchDeleteEntryRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchDeleteEntryResponse>): grpc.ClientUnaryCall;
  BatchDeleteEntry(argument: _spire_api_server_entry_v1_BatchDeleteEntryRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchDeleteEntryResponse>): grpc.ClientUnaryCall;
  BatchDeleteEntry(argument: _spire_api_server_entry_v1_BatchDeleteEntryRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchDeleteEntryResponse>): grpc.ClientUnaryCall;
  batchDeleteEntry(argument: _spire_api_server_entry_v1_BatchDeleteEntryRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchDeleteEntryResponse>): grpc.ClientUnaryCall;
  batchDeleteEntry(argument: _spire_api_server_entry_v1_BatchDeleteEntryRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchDeleteEntryResponse>): grpc.ClientUnaryCall;
  batchDeleteEntry(argument: _spire_api_server_entry_v1_BatchDeleteEntryRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchDeleteEntryResponse>): grpc.ClientUnaryCall;
  batchDeleteEntry(argument: _spire_api_server_entry_v1_BatchDeleteEntryRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchDeleteEntryResponse>): grpc.ClientUnaryCall;
  
  BatchUpdateEntry(argument: _spire_api_server_entry_v1_BatchUpdateEntryRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchUpdateEntryResponse>): grpc.ClientUnaryCall;
  BatchUpdateEntry(argument: _spire_api_server_entry_v1_BatchUpdateEntryRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchUpdateEntryResponse>): grpc.ClientUnaryCall;
  BatchUpdateEntry(argument: _spire_api_server_entry_v1_BatchUpdateEntryRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchUpdateEntryResponse>): grpc.ClientUnaryCall;
  BatchUpdateEntry(argument: _spire_api_server_entry_v1_BatchUpdateEntryRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchUpdateEntryResponse>): grpc.ClientUnaryCall;
  batchUpdateEntry(argument: _spire_api_server_entry_v1_BatchUpdateEntryRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchUpdateEntryResponse>): grpc.ClientUnaryCall;
  batchUpdateEntry(argument: _spire_api_server_entry_v1_BatchUpdateEntryRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchUpdateEntryResponse>): grpc.ClientUnaryCall;
  batchUpdateEntry(argument: _spire_api_server_entry_v1_BatchUpdateEntryRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchUpdateEntryResponse>): grpc.ClientUnaryCall;
  batchUpdateEntry(argument: _spire_api_server_entry_v1_BatchUpdateEntryRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_BatchUpdateEntryResponse>): grpc.ClientUnaryCall;
  
  CountEntries(argument: _spire_api_server_entry_v1_CountEntriesRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_CountEntriesResponse>): grpc.ClientUnaryCall;
  CountEntries(argument: _spire_api_server_entry_v1_CountEntriesRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_CountEntriesResponse>): grpc.ClientUnaryCall;
  CountEntries(argument: _spire_api_server_entry_v1_CountEntriesRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_CountEntriesResponse>): grpc.ClientUnaryCall;
  CountEntries(argument: _spire_api_server_entry_v1_CountEntriesRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_CountEntriesResponse>): grpc.ClientUnaryCall;
  countEntries(argument: _spire_api_server_entry_v1_CountEntriesRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_CountEntriesResponse>): grpc.ClientUnaryCall;
  countEntries(argument: _spire_api_server_entry_v1_CountEntriesRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_CountEntriesResponse>): grpc.ClientUnaryCall;
  countEntries(argument: _spire_api_server_entry_v1_CountEntriesRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_CountEntriesResponse>): grpc.ClientUnaryCall;
  countEntries(argument: _spire_api_server_entry_v1_CountEntriesRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_CountEntriesResponse>): grpc.ClientUnaryCall;
  
  GetAuthorizedEntries(argument: _spire_api_server_entry_v1_GetAuthorizedEntriesRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_GetAuthorizedEntriesResponse>): grpc.ClientUnaryCall;
  GetAuthorizedEntries(argument: _spire_api_server_entry_v1_GetAuthorizedEntriesRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_GetAuthorizedEntriesResponse>): grpc.ClientUnaryCall;
  GetAuthorizedEntries(argument: _spire_api_server_entry_v1_GetAuthorizedEntriesRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_GetAuthorizedEntriesResponse>): grpc.ClientUnaryCall;
  GetAuthorizedEntries(argument: _spire_api_server_entry_v1_GetAuthorizedEntriesRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_GetAuthorizedEntriesResponse>): grpc.ClientUnaryCall;
  getAuthorizedEntries(argument: _spire_api_server_entry_v1_GetAuthorizedEntriesRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_GetAuthorizedEntriesResponse>): grpc.ClientUnaryCall;
  getAuthorizedEntries(argument: _spire_api_server_entry_v1_GetAuthorizedEntriesRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_GetAuthorizedEntriesResponse>): grpc.ClientUnaryCall;
  getAuthorizedEntries(argument: _spire_api_server_entry_v1_GetAuthorizedEntriesRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_GetAuthorizedEntriesResponse>): grpc.ClientUnaryCall;
  getAuthorizedEntries(argument: _spire_api_server_entry_v1_GetAuthorizedEntriesRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_GetAuthorizedEntriesResponse>): grpc.ClientUnaryCall;
  
  GetEntry(argument: _spire_api_server_entry_v1_GetEntryRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Entry>): grpc.ClientUnaryCall;
  GetEntry(argument: _spire_api_server_entry_v1_GetEntryRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Entry>): grpc.ClientUnaryCall;
  GetEntry(argument: _spire_api_server_entry_v1_GetEntryRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Entry>): grpc.ClientUnaryCall;
  GetEntry(argument: _spire_api_server_entry_v1_GetEntryRequest$Input, callback: grpc.requestCallback<_spire_api_types_Entry>): grpc.ClientUnaryCall;
  getEntry(argument: _spire_api_server_entry_v1_GetEntryRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Entry>): grpc.ClientUnaryCall;
  getEntry(argument: _spire_api_server_entry_v1_GetEntryRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Entry>): grpc.ClientUnaryCall;
  getEntry(argument: _spire_api_server_entry_v1_GetEntryRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Entry>): grpc.ClientUnaryCall;
  getEntry(argument: _spire_api_server_entry_v1_GetEntryRequest$Input, callback: grpc.requestCallback<_spire_api_types_Entry>): grpc.ClientUnaryCall;
  
  ListEntries(argument: _spire_api_server_entry_v1_ListEntriesRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_ListEntriesResponse>): grpc.ClientUnaryCall;
  ListEntries(argument: _spire_api_server_entry_v1_ListEntriesRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_ListEntriesResponse>): grpc.ClientUnaryCall;
  ListEntries(argument: _spire_api_server_entry_v1_ListEntriesRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_ListEntriesResponse>): grpc.ClientUnaryCall;
  ListEntries(argument: _spire_api_server_entry_v1_ListEntriesRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_ListEntriesResponse>): grpc.ClientUnaryCall;
  listEntries(argument: _spire_api_server_entry_v1_ListEntriesRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_ListEntriesResponse>): grpc.ClientUnaryCall;
  listEntries(argument: _spire_api_server_entry_v1_ListEntriesRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_entry_v1_ListEntriesResponse>): grpc.ClientUnaryCall;
  listEntries(argument: _spire_api_server_entry_v1_ListEntriesRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_entry_v1_ListEntriesResponse>): grpc.ClientUnaryCall;
  listEntries(argument: _spire_api_server_entry_v1_ListEntriesRequest$Input, callback: grpc.requestCallback<_spire_api_server_entry_v1_ListEntriesResponse>): grpc.ClientUnaryCall;
  
  SyncAuthorizedEntries(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_spire_api_server_entry_v1_SyncAuthorizedEntriesRequest$Input, _spire_api_server_entry_v1_SyncAuthorizedEntriesResponse>;
  SyncAuthorizedEntries(options?: grpc.CallOptions): grpc.ClientDuplexStream<_spire_api_server_entry_v1_SyncAuthorizedEntriesRequest$Input, _spire_api_server_entry_v1_SyncAuthorizedEntriesResponse>;
  syncAuthorizedEntries(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_spire_api_server_entry_v1_SyncAuthorizedEntriesRequest$Input, _spire_api_server_entry_v1_SyncAuthorizedEntriesResponse>;
  syncAuthorizedEntries(options?: grpc.CallOptions): grpc.ClientDuplexStream<_spire_api_server_entry_v1_SyncAuthorizedEntriesRequest$Input, _spire_api_server_entry_v1_SyncAuthorizedEntriesResponse>;
  
}

export interface EntryHandlers extends grpc.UntypedServiceImplementation {
  BatchCreateEntry: grpc.handleUnaryCall<_spire_api_server_entry_v1_BatchCreateEntryRequest, _spire_api_server_entry_v1_BatchCreateEntryResponse$Input>;
  
  BatchDeleteEntry: grpc.handleUnaryCall<_spire_api_server_entry_v1_BatchDeleteEntryRequest, _spire_api_server_entry_v1_BatchDeleteEntryResponse$Input>;
  
  BatchUpdateEntry: grpc.handleUnaryCall<_spire_api_server_entry_v1_BatchUpdateEntryRequest, _spire_api_server_entry_v1_BatchUpdateEntryResponse$Input>;
  
  CountEntries: grpc.handleUnaryCall<_spire_api_server_entry_v1_CountEntriesRequest, _spire_api_server_entry_v1_CountEntriesResponse$Input>;
  
  GetAuthorizedEntries: grpc.handleUnaryCall<_spire_api_server_entry_v1_GetAuthorizedEntriesRequest, _spire_api_server_entry_v1_GetAuthorizedEntriesResponse$Input>;
  
  GetEntry: grpc.handleUnaryCall<_spire_api_server_entry_v1_GetEntryRequest, _spire_api_types_Entry$Input>;
  
  ListEntries: grpc.handleUnaryCall<_spire_api_server_entry_v1_ListEntriesRequest, _spire_api_server_entry_v1_ListEntriesResponse$Input>;
  
  SyncAuthorizedEntries: grpc.handleBidiStreamingCall<_spire_api_server_entry_v1_SyncAuthorizedEntriesRequest, _spire_api_server_entry_v1_SyncAuthorizedEntriesResponse$Input>;
  
}

export interface EntryDefinition extends grpc.ServiceDefinition {
  BatchCreateEntry: MethodDefinition<_spire_api_server_entry_v1_BatchCreateEntryRequest$Input, _spire_api_server_entry_v1_BatchCreateEntryResponse$Input, _spire_api_server_entry_v1_BatchCreateEntryRequest, _spire_api_server_entry_v1_BatchCreateEntryResponse>
  BatchDeleteEntry: MethodDefinition<_spire_api_server_entry_v1_BatchDeleteEntryRequest$Input, _spire_api_server_entry_v1_BatchDeleteEntryResponse$Input, _spire_api_server_entry_v1_BatchDeleteEntryRequest, _spire_api_server_entry_v1_BatchDeleteEntryResponse>
  BatchUpdateEntry: MethodDefinition<_spire_api_server_entry_v1_BatchUpdateEntryRequest$Input, _spire_api_server_entry_v1_BatchUpdateEntryResponse$Input, _spire_api_server_entry_v1_BatchUpdateEntryRequest, _spire_api_server_entry_v1_BatchUpdateEntryResponse>
  CountEntries: MethodDefinition<_spire_api_server_entry_v1_CountEntriesRequest$Input, _spire_api_server_entry_v1_CountEntriesResponse$Input, _spire_api_server_entry_v1_CountEntriesRequest, _spire_api_server_entry_v1_CountEntriesResponse>
  GetAuthorizedEntries: MethodDefinition<_spire_api_server_entry_v1_GetAuthorizedEntriesRequest$Input, _spire_api_server_entry_v1_GetAuthorizedEntriesResponse$Input, _spire_api_server_entry_v1_GetAuthorizedEntriesRequest, _spire_api_server_entry_v1_GetAuthorizedEntriesResponse>
  GetEntry: MethodDefinition<_spire_api_server_entry_v1_GetEntryRequest$Input, _spire_api_types_Entry$Input, _spire_api_server_entry_v1_GetEntryRequest, _spire_api_types_Entry>
  ListEntries: MethodDefinition<_spire_api_server_entry_v1_ListEntriesRequest$Input, _spire_api_server_entry_v1_ListEntriesResponse$Input, _spire_api_server_entry_v1_ListEntriesRequest, _spire_api_server_entry_v1_ListEntriesResponse>
  SyncAuthorizedEntries: MethodDefinition<_spire_api_server_entry_v1_SyncAuthorizedEntriesRequest$Input, _spire_api_server_entry_v1_SyncAuthorizedEntriesResponse$Input, _spire_api_server_entry_v1_SyncAuthorizedEntriesRequest, _spire_api_server_entry_v1_SyncAuthorizedEntriesResponse>
}
