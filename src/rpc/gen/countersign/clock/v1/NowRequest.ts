
export interface NowRequest$Input {
}

export interface NowRequest {
}
