
export interface X509SVIDRequest$Input {
}

export interface X509SVIDRequest {
}
