
export interface X509BundlesRequest$Input {
}

export interface X509BundlesRequest {
}
