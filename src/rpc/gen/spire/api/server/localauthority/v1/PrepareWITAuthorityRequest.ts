
export interface PrepareWITAuthorityRequest$Input {
}

export interface PrepareWITAuthorityRequest {
}
