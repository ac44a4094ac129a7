
export interface SubscribeToJWTBundlesRequest$Input {
}

export interface SubscribeToJWTBundlesRequest {
}
