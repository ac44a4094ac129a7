import type { QueryName } from './queries.ts'

/** A row of a framework, in our own words, and what there is for it. */
export interface Row {
  /** As the framework has it. */
  readonly id: string
  readonly about: string
  readonly queries: readonly QueryName[]
  /** Titles of tests, each one word for word. */
  readonly tests: readonly string[]
  /** What is not covered. */
  readonly gaps: string
}

export interface Framework {
  readonly id: string
  readonly name: string
  /** What should be known before it is read. */
  readonly note: string
  readonly rows: readonly Row[]
}
