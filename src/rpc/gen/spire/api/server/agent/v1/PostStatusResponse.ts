
export interface PostStatusResponse$Input {
}

export interface PostStatusResponse {
}
