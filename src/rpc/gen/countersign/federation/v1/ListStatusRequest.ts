
export interface ListStatusRequest$Input {
}

export interface ListStatusRequest {
}
