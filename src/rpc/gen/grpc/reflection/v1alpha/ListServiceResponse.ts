import type { ServiceResponse$Input as _grpc_reflection_v1alpha_ServiceResponse$Input, ServiceResponse as _grpc_reflection_v1alpha_ServiceResponse } from '../../../grpc/reflection/v1alpha/ServiceResponse.ts';

export interface ListServiceResponse$Input {
  'service'?: (_grpc_reflection_v1alpha_ServiceResponse$Input)[];
}

export interface ListServiceResponse {
  'service': (_grpc_reflection_v1alpha_ServiceResponse)[];
}
