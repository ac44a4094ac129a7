
export interface GetLoggerRequest$Input {
}

export interface GetLoggerRequest {
}
