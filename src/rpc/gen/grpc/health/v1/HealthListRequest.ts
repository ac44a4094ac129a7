
export interface HealthListRequest$Input {
}

export interface HealthListRequest {
}
