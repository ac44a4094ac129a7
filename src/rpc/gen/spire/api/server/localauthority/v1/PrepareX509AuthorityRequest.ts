
export interface PrepareX509AuthorityRequest$Input {
}

export interface PrepareX509AuthorityRequest {
}
