
export interface GetWITAuthorityStateRequest$Input {
}

export interface GetWITAuthorityStateRequest {
}
