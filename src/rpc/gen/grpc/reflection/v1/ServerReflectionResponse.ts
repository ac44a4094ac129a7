import type { ServerReflectionRequest$Input as _grpc_reflection_v1_ServerReflectionRequest$Input, ServerReflectionRequest as _grpc_reflection_v1_ServerReflectionRequest } from '../../../grpc/reflection/v1/ServerReflectionRequest.ts';
import type { FileDescriptorResponse$Input as _grpc_reflection_v1_FileDescriptorResponse$Input, FileDescriptorResponse as _grpc_reflection_v1_FileDescriptorResponse } from '../../../grpc/reflection/v1/FileDescriptorResponse.ts';
import type { ExtensionNumberResponse$Input as _grpc_reflection_v1_ExtensionNumberResponse$Input, ExtensionNumberResponse as _grpc_reflection_v1_ExtensionNumberResponse } from '../../../grpc/reflection/v1/ExtensionNumberResponse.ts';
import type { ListServiceResponse$Input as _grpc_reflection_v1_ListServiceResponse$Input, ListServiceResponse as _grpc_reflection_v1_ListServiceResponse } from '../../../grpc/reflection/v1/ListServiceResponse.ts';
import type { ErrorResponse$Input as _grpc_reflection_v1_ErrorResponse$Input, ErrorResponse as _grpc_reflection_v1_ErrorResponse } from '../../../grpc/reflection/v1/ErrorResponse.ts';

export interface ServerReflectionResponse$Input {
  'valid_host'?: (string);
  'original_request'?: (_grpc_reflection_v1_ServerReflectionRequest$Input | null);
  'file_descriptor_response'?: (_grpc_reflection_v1_FileDescriptorResponse$Input | null);
  'all_extension_numbers_response'?: (_grpc_reflection_v1_ExtensionNumberResponse$Input | null);
  'list_services_response'?: (_grpc_reflection_v1_ListServiceResponse$Input | null);
  'error_response'?: (_grpc_reflection_v1_ErrorResponse$Input | null);
  'message_response'?: "file_descriptor_response"|"all_extension_numbers_response"|"list_services_response"|"error_response";
}

export interface ServerReflectionResponse {
  'valid_host': (string);
  'original_request': (_grpc_reflection_v1_ServerReflectionRequest | null);
  'file_descriptor_response'?: (_grpc_reflection_v1_FileDescriptorResponse | null);
  'all_extension_numbers_response'?: (_grpc_reflection_v1_ExtensionNumberResponse | null);
  'list_services_response'?: (_grpc_reflection_v1_ListServiceResponse | null);
  'error_response'?: (_grpc_reflection_v1_ErrorResponse | null);
  'message_response'?: "file_descriptor_response"|"all_extension_numbers_response"|"list_services_response"|"error_response";
}
