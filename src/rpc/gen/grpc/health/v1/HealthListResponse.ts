import type { HealthCheckResponse$Input as _grpc_health_v1_HealthCheckResponse$Input, HealthCheckResponse as _grpc_health_v1_HealthCheckResponse } from '../../../grpc/health/v1/HealthCheckResponse.ts';

export interface HealthListResponse$Input {
  'statuses'?: ({[key: string]: _grpc_health_v1_HealthCheckResponse$Input});
}

export interface HealthListResponse {
  'statuses': ({[key: string]: _grpc_health_v1_HealthCheckResponse});
}
