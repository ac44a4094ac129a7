
export interface SubscribeToX509BundlesRequest$Input {
}

export interface SubscribeToX509BundlesRequest {
}
