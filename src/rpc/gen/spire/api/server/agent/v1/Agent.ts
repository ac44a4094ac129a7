import type * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { Agent$Input as _spire_api_types_Agent$Input, Agent as _spire_api_types_Agent } from '../../../../../spire/api/types/Agent.ts';
import type { AttestAgentRequest$Input as _spire_api_server_agent_v1_AttestAgentRequest$Input, AttestAgentRequest as _spire_api_server_agent_v1_AttestAgentRequest } from '../../../../../spire/api/server/agent/v1/AttestAgentRequest.ts';
import type { AttestAgentResponse$Input as _spire_api_server_agent_v1_AttestAgentResponse$Input, AttestAgentResponse as _spire_api_server_agent_v1_AttestAgentResponse } from '../../../../../spire/api/server/agent/v1/AttestAgentResponse.ts';
import type { BanAgentRequest$Input as _spire_api_server_agent_v1_BanAgentRequest$Input, BanAgentRequest as _spire_api_server_agent_v1_BanAgentRequest } from '../../../../../spire/api/server/agent/v1/BanAgentRequest.ts';
import type { CountAgentsRequest$Input as _spire_api_server_agent_v1_CountAgentsRequest$Input, CountAgentsRequest as _spire_api_server_agent_v1_CountAgentsRequest } from '../../../../../spire/api/server/agent/v1/CountAgentsRequest.ts';
import type { CountAgentsResponse$Input as _spire_api_server_agent_v1_CountAgentsResponse$Input, CountAgentsResponse as _spire_api_server_agent_v1_CountAgentsResponse } from '../../../../../spire/api/server/agent/v1/CountAgentsResponse.ts';
import type { CreateJoinTokenRequest$Input as _spire_api_server_agent_v1_CreateJoinTokenRequest$Input, CreateJoinTokenRequest as _spire_api_server_agent_v1_CreateJoinTokenRequest } from '../../../../../spire/api/server/agent/v1/CreateJoinTokenRequest.ts';
import type { DeleteAgentRequest$Input as _spire_api_server_agent_v1_DeleteAgentRequest$Input, DeleteAgentRequest as _spire_api_server_agent_v1_DeleteAgentRequest } from '../../../../../spire/api/server/agent/v1/DeleteAgentRequest.ts';
import type { Empty$Input as _google_protobuf_Empty$Input, Empty as _google_protobuf_Empty } from '../../../../../google/protobuf/Empty.ts';
import type { GetAgentRequest$Input as _spire_api_server_agent_v1_GetAgentRequest$Input, GetAgentRequest as _spire_api_server_agent_v1_GetAgentRequest } from '../../../../../spire/api/server/agent/v1/GetAgentRequest.ts';
import type { JoinToken$Input as _spire_api_types_JoinToken$Input, JoinToken as _spire_api_types_JoinToken } from '../../../../../spire/api/types/JoinToken.ts';
import type { ListAgentsRequest$Input as _spire_api_server_agent_v1_ListAgentsRequest$Input, ListAgentsRequest as _spire_api_server_agent_v1_ListAgentsRequest } from '../../../../../spire/api/server/agent/v1/ListAgentsRequest.ts';
import type { ListAgentsResponse$Input as _spire_api_server_agent_v1_ListAgentsResponse$Input, ListAgentsResponse as _spire_api_server_agent_v1_ListAgentsResponse } from '../../../../../spire/api/server/agent/v1/ListAgentsResponse.ts';
import type { PostStatusRequest$Input as _spire_api_server_agent_v1_PostStatusRequest$Input, PostStatusRequest as _spire_api_server_agent_v1_PostStatusRequest } from '../../../../../spire/api/server/agent/v1/PostStatusRequest.ts';
import type { PostStatusResponse$Input as _spire_api_server_agent_v1_PostStatusResponse$Input, PostStatusResponse as _spire_api_server_agent_v1_PostStatusResponse } from '../../../../../spire/api/server/agent/v1/PostStatusResponse.ts';
import type { RenewAgentRequest$Input as _spire_api_server_agent_v1_RenewAgentRequest$Input, RenewAgentRequest as _spire_api_server_agent_v1_RenewAgentRequest } from '../../../../../spire/api/server/agent/v1/RenewAgentRequest.ts';
import type { RenewAgentResponse$Input as _spire_api_server_agent_v1_RenewAgentResponse$Input, RenewAgentResponse as _spire_api_server_agent_v1_RenewAgentResponse } from '../../../../../spire/api/server/agent/v1/RenewAgentResponse.ts';

export interface AgentClient extends grpc.Client {
  AttestAgent(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_spire_api_server_agent_v1_AttestAgentRequest$Input, _spire_api_server_agent_v1_AttestAgentResponse>;
  AttestAgent(options?: grpc.CallOptions): grpc.ClientDuplexStream<_spire_api_server_agent_v1_AttestAgentRequest$Input, _spire_api_server_agent_v1_AttestAgentResponse>;
  attestAgent(metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<_spire_api_server_agent_v1_AttestAgentRequest$Input, _spire_api_server_agent_v1_AttestAgentResponse>;
  attestAgent(options?: grpc.CallOptions): grpc.ClientDuplexStream<_spire_api_server_agent_v1_AttestAgentRequest$Input, _spire_api_server_agent_v1_AttestAgentResponse>;
  
  BanAgent(argument: _spire_api_server_agent_v1_BanAgentRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  BanAgent(argument: _spire_api_server_agent_v1_BanAgentRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  BanAgent(argument: _spire_api_server_agent_v1_BanAgentRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  BanAgent(argument: _spire_api_server_agent_v1_BanAgentRequest$Input, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  banAgent(argument: _spire_api_server_agent_v1_BanAgentRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  banAgent(argument: _spire_api_server_agent_v1_BanAgentRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  banAgent(argument: _spire_api_server_agent_v1_BanAgentRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  banAgent(argument: _spire_api_server_agent_v1_BanAgentRequest$Input, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  
  CountAgents(argument: _spire_api_server_agent_v1_CountAgentsRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_CountAgentsResponse>): grpc.ClientUnaryCall;
  CountAgents(argument: _spire_api_server_agent_v1_CountAgentsRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_agent_v1_CountAgentsResponse>): grpc.ClientUnaryCall;
  CountAgents(argument: _spire_api_server_agent_v1_CountAgentsRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_CountAgentsResponse>): grpc.ClientUnaryCall;
  CountAgents(argument: _spire_api_server_agent_v1_CountAgentsRequest$Input, callback: grpc.requestCallback<_spire_api_server_agent_v1_CountAgentsResponse>): grpc.ClientUnaryCall;
  countAgents(argument: _spire_api_server_agent_v1_CountAgentsRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_CountAgentsResponse>): grpc.ClientUnaryCall;
  countAgents(argument: _spire_api_server_agent_v1_CountAgentsRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_agent_v1_CountAgentsResponse>): grpc.ClientUnaryCall;
  countAgents(argument: _spire_api_server_agent_v1_CountAgentsRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_CountAgentsResponse>): grpc.ClientUnaryCall;
  countAgents(argument: _spire_api_server_agent_v1_CountAgentsRequest$Input, callback: grpc.requestCallback<_spire_api_server_agent_v1_CountAgentsResponse>): grpc.ClientUnaryCall;
  
  CreateJoinToken(argument: _spire_api_server_agent_v1_CreateJoinTokenRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_JoinToken>): grpc.ClientUnaryCall;
  CreateJoinToken(argument: _spire_api_server_agent_v1_CreateJoinTokenRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_JoinToken>): grpc.ClientUnaryCall;
  CreateJoinToken(argument: _spire_api_server_agent_v1_CreateJoinTokenRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_JoinToken>): grpc.ClientUnaryCall;
  CreateJoinToken(argument: _spire_api_server_agent_v1_CreateJoinTokenRequest$Input, callback: grpc.requestCallback<_spire_api_types_JoinToken>): grpc.ClientUnaryCall;
  createJoinToken(argument: _spire_api_server_agent_v1_CreateJoinTokenRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_JoinToken>): grpc.ClientUnaryCall;
  createJoinToken(argument: _spire_api_server_agent_v1_CreateJoinTokenRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_JoinToken>): grpc.ClientUnaryCall;
  createJoinToken(argument: _spire_api_server_agent_v1_CreateJoinTokenRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_JoinToken>): grpc.ClientUnaryCall;
  createJoinToken(argument: _spire_api_server_agent_v1_CreateJoinTokenRequest$Input, callback: grpc.requestCallback<_spire_api_types_JoinToken>): grpc.ClientUnaryCall;
  
  DeleteAgent(argument: _spire_api_server_agent_v1_DeleteAgentRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  DeleteAgent(argument: _spire_api_server_agent_v1_DeleteAgentRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  DeleteAgent(argument: _spire_api_server_agent_v1_DeleteAgentRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  DeleteAgent(argument: _spire_api_server_agent_v1_DeleteAgentRequest$Input, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  deleteAgent(argument: _spire_api_server_agent_v1_DeleteAgentRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  deleteAgent(argument: _spire_api_server_agent_v1_DeleteAgentRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  deleteAgent(argument: _spire_api_server_agent_v1_DeleteAgentRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  deleteAgent(argument: _spire_api_server_agent_v1_DeleteAgentRequest$Input, callback: grpc.requestCallback<_google_protobuf_Empty>): grpc.ClientUnaryCall;
  
  GetAgent(argument: _spire_api_server_agent_v1_GetAgentRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Agent>): grpc.ClientUnaryCall;
  GetAgent(argument: _spire_api_server_agent_v1_GetAgentRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Agent>): grpc.ClientUnaryCall;
  GetAgent(argument: _spire_api_server_agent_v1_GetAgentRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Agent>): grpc.ClientUnaryCall;
  GetAgent(argument: _spire_api_server_agent_v1_GetAgentRequest$Input, callback: grpc.requestCallback<_spire_api_types_Agent>): grpc.ClientUnaryCall;
  getAgent(argument: _spire_api_server_agent_v1_GetAgentRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Agent>): grpc.ClientUnaryCall;
  getAgent(argument: _spire_api_server_agent_v1_GetAgentRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_types_Agent>): grpc.ClientUnaryCall;
  getAgent(argument: _spire_api_server_agent_v1_GetAgentRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_types_Agent>): grpc.ClientUnaryCall;
  getAgent(argument: _spire_api_server_agent_v1_GetAgentRequest$Input, callback: grpc.requestCallback<_spire_api_types_Agent>): grpc.ClientUnaryCall;
  
  ListAgents(argument: _spire_api_server_agent_v1_ListAgentsRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_ListAgentsResponse>): grpc.ClientUnaryCall;
  ListAgents(argument: _spire_api_server_agent_v1_ListAgentsRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_agent_v1_ListAgentsResponse>): grpc.ClientUnaryCall;
  ListAgents(argument: _spire_api_server_agent_v1_ListAgentsRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_ListAgentsResponse>): grpc.ClientUnaryCall;
  ListAgents(argument: _spire_api_server_agent_v1_ListAgentsRequest$Input, callback: grpc.requestCallback<_spire_api_server_agent_v1_ListAgentsResponse>): grpc.ClientUnaryCall;
  listAgents(argument: _spire_api_server_agent_v1_ListAgentsRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_ListAgentsResponse>): grpc.ClientUnaryCall;
  listAgents(argument: _spire_api_server_agent_v1_ListAgentsRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_agent_v1_ListAgentsResponse>): grpc.ClientUnaryCall;
  listAgents(argument: _spire_api_server_agent_v1_ListAgentsRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_ListAgentsResponse>): grpc.ClientUnaryCall;
  listAgents(argument: _spire_api_server_agent_v1_ListAgentsRequest$Input, callback: grpc.requestCallback<_spire_api_server_agent_v1_ListAgentsResponse>): grpc.ClientUnaryCall;
  
  PostStatus(argument: _spire_api_server_agent_v1_PostStatusRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_PostStatusResponse>): grpc.ClientUnaryCall;
  PostStatus(argument: _spire_api_server_agent_v1_PostStatusRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_agent_v1_PostStatusResponse>): grpc.ClientUnaryCall;
  PostStatus(argument: _spire_api_server_agent_v1_PostStatusRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_PostStatusResponse>): grpc.ClientUnaryCall;
  PostStatus(argument: _spire_api_server_agent_v1_PostStatusRequest$Input, callback: grpc.requestCallback<_spire_api_server_agent_v1_PostStatusResponse>): grpc.ClientUnaryCall;
  postStatus(argument: _spire_api_server_agent_v1_PostStatusRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_PostStatusResponse>): grpc.ClientUnaryCall;
  postStatus(argument: _spire_api_server_agent_v1_PostStatusRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_agent_v1_PostStatusResponse>): grpc.ClientUnaryCall;
  postStatus(argument: _spire_api_server_agent_v1_PostStatusRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_PostStatusResponse>): grpc.ClientUnaryCall;
  postStatus(argument: _spire_api_server_agent_v1_PostStatusRequest$Input, callback: grpc.requestCallback<_spire_api_server_agent_v1_PostStatusResponse>): grpc.ClientUnaryCall;
  
  RenewAgent(argument: _spire_api_server_agent_v1_RenewAgentRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_RenewAgentResponse>): grpc.ClientUnaryCall;
  RenewAgent(argument: _spire_api_server_agent_v1_RenewAgentRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_agent_v1_RenewAgentResponse>): grpc.ClientUnaryCall;
  RenewAgent(argument: _spire_api_server_agent_v1_RenewAgentRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_RenewAgentResponse>): grpc.ClientUnaryCall;
  RenewAgent(argument: _spire_api_server_agent_v1_RenewAgentRequest$Input, callback: grpc.requestCallback<_spire_api_server_agent_v1_RenewAgentResponse>): grpc.ClientUnaryCall;
  renewAgent(argument: _spire_api_server_agent_v1_RenewAgentRequest$Input, metadata: grpc.Metadata, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_RenewAgentResponse>): grpc.ClientUnaryCall;
  renewAgent(argument: _spire_api_server_agent_v1_RenewAgentRequest$Input, metadata: grpc.Metadata, callback: grpc.requestCallback<_spire_api_server_agent_v1_RenewAgentResponse>): grpc.ClientUnaryCall;
  renewAgent(argument: _spire_api_server_agent_v1_RenewAgentRequest$Input, options: grpc.CallOptions, callback: grpc.requestCallback<_spire_api_server_agent_v1_RenewAgentResponse>): grpc.ClientUnaryCall;
  renewAgent(argument: _spire_api_server_agent_v1_RenewAgentRequest$Input, callback: grpc.requestCallback<_spire_api_server_agent_v1_RenewAgentResponse>): grpc.ClientUnaryCall;
  
}

export interface AgentHandlers extends grpc.UntypedServiceImplementation {
  AttestAgent: grpc.handleBidiStreamingCall<_spire_api_server_agent_v1_AttestAgentRequest, _spire_api_server_agent_v1_AttestAgentResponse$Input>;
  
  BanAgent: grpc.handleUnaryCall<_spire_api_server_agent_v1_BanAgentRequest, _google_protobuf_Empty$Input>;
  
  CountAgents: grpc.handleUnaryCall<_spire_api_server_agent_v1_CountAgentsRequest, _spire_api_server_agent_v1_CountAgentsResponse$Input>;
  
  CreateJoinToken: grpc.handleUnaryCall<_spire_api_server_agent_v1_CreateJoinTokenRequest, _spire_api_types_JoinToken$Input>;
  
  DeleteAgent: grpc.handleUnaryCall<_spire_api_server_agent_v1_DeleteAgentRequest, _google_protobuf_Empty$Input>;
  
  GetAgent: grpc.handleUnaryCall<_spire_api_server_agent_v1_GetAgentRequest, _spire_api_types_Agent$Input>;
  
  ListAgents: grpc.handleUnaryCall<_spire_api_server_agent_v1_ListAgentsRequest, _spire_api_server_agent_v1_ListAgentsResponse$Input>;
  
  PostStatus: grpc.handleUnaryCall<_spire_api_server_agent_v1_PostStatusRequest, _spire_api_server_agent_v1_PostStatusResponse$Input>;
  
  RenewAgent: grpc.handleUnaryCall<_spire_api_server_agent_v1_RenewAgentRequest, _spire_api_server_agent_v1_RenewAgentResponse$Input>;
  
}

export interface AgentDefinition extends grpc.ServiceDefinition {
  AttestAgent: MethodDefinition<_spire_api_server_agent_v1_AttestAgentRequest$Input, _spire_api_server_agent_v1_AttestAgentResponse$Input, _spire_api_server_agent_v1_AttestAgentRequest, _spire_api_server_agent_v1_AttestAgentResponse>
  BanAgent: MethodDefinition<_spire_api_server_agent_v1_BanAgentRequest$Input, _google_protobuf_Empty$Input, _spire_api_server_agent_v1_BanAgentRequest, _google_protobuf_Empty>
  CountAgents: MethodDefinition<_spire_api_server_agent_v1_CountAgentsRequest$Input, _spire_api_server_agent_v1_CountAgentsResponse$Input, _spire_api_server_agent_v1_CountAgentsRequest, _spire_api_server_agent_v1_CountAgentsResponse>
  CreateJoinToken: MethodDefinition<_spire_api_server_agent_v1_CreateJoinTokenRequest$Input, _spire_api_types_JoinToken$Input, _spire_api_server_agent_v1_CreateJoinTokenRequest, _spire_api_types_JoinToken>
  DeleteAgent: MethodDefinition<_spire_api_server_agent_v1_DeleteAgentRequest$Input, _google_protobuf_Empty$Input, _spire_api_server_agent_v1_DeleteAgentRequest, _google_protobuf_Empty>
  GetAgent: MethodDefinition<_spire_api_server_agent_v1_GetAgentRequest$Input, _spire_api_types_Agent$Input, _spire_api_server_agent_v1_GetAgentRequest, _spire_api_types_Agent>
  ListAgents: MethodDefinition<_spire_api_server_agent_v1_ListAgentsRequest$Input, _spire_api_server_agent_v1_ListAgentsResponse$Input, _spire_api_server_agent_v1_ListAgentsRequest, _spire_api_server_agent_v1_ListAgentsResponse>
  PostStatus: MethodDefinition<_spire_api_server_agent_v1_PostStatusRequest$Input, _spire_api_server_agent_v1_PostStatusResponse$Input, _spire_api_server_agent_v1_PostStatusRequest, _spire_api_server_agent_v1_PostStatusResponse>
  RenewAgent: MethodDefinition<_spire_api_server_agent_v1_RenewAgentRequest$Input, _spire_api_server_agent_v1_RenewAgentResponse$Input, _spire_api_server_agent_v1_RenewAgentRequest, _spire_api_server_agent_v1_RenewAgentResponse>
}
