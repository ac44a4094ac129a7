
export interface CountBundlesRequest$Input {
}

export interface CountBundlesRequest {
}
