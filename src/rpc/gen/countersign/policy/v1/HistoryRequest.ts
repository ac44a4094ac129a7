
export interface HistoryRequest$Input {
}

export interface HistoryRequest {
}
