
export interface AcceptRequest$Input {
}

export interface AcceptRequest {
}
