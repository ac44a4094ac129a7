
export interface ResetLogLevelRequest$Input {
}

export interface ResetLogLevelRequest {
}
