import type { Entry } from '../../src/entry/entry.ts'
import type { Change } from './changes.ts'

/** A line of the change log by the one who wrote it. */
export interface Written extends Change {
  /** The entry as this line left it, undefined: deleted. Where the property is absent, the row has to be read. */
  readonly entry?: Entry | undefined
}
