
export interface PrepareJWTAuthorityRequest$Input {
}

export interface PrepareJWTAuthorityRequest {
}
