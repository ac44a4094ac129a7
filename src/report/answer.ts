/** What a query found. `attention`: somebody should look. */
export interface Answer {
  readonly text: string
  readonly attention: boolean
}

/** Nothing that has to be looked at. */
export function fine(text: string): Answer {
  return { text, attention: false }
}
