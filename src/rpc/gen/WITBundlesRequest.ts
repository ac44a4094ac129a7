
export interface WITBundlesRequest$Input {
}

export interface WITBundlesRequest {
}
