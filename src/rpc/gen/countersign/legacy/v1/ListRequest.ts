
export interface ListRequest$Input {
}

export interface ListRequest {
}
