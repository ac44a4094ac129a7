
export interface JWTBundlesRequest$Input {
}

export interface JWTBundlesRequest {
}
