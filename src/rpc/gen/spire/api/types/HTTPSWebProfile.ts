
export interface HTTPSWebProfile$Input {
}

export interface HTTPSWebProfile {
}
