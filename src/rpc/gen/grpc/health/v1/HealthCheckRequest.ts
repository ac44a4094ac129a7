
export interface HealthCheckRequest$Input {
  'service'?: (string);
}

export interface HealthCheckRequest {
  'service': (string);
}
