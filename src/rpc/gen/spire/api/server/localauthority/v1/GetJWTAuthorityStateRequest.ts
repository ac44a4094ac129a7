
export interface GetJWTAuthorityStateRequest$Input {
}

export interface GetJWTAuthorityStateRequest {
}
