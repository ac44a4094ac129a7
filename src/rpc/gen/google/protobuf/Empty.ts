
export interface Empty$Input {
}

export interface Empty {
}
