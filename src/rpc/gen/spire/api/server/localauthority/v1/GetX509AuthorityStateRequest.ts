
export interface GetX509AuthorityStateRequest$Input {
}

export interface GetX509AuthorityStateRequest {
}
