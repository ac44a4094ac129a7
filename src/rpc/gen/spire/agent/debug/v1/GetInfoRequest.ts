
export interface GetInfoRequest$Input {
}

export interface GetInfoRequest {
}
