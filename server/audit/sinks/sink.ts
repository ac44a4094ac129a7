import type { TrailLine } from '../trail-reader.ts'

/** Where copies of the trail go. The file is the record; a sink that fails holds nothing up but itself. */
export interface Sink {
  /** Resolves when the lines are handed over; throws where they are not, and then is given them again. */
  send(lines: readonly TrailLine[], signal: AbortSignal): Promise<void>
  /**
   * How long after that the other side may still have lost them, because it acknowledges nothing. What is younger
   * when the connection breaks is sent again.
   */
  readonly settleMs: number
  /** Throws where the connection has broken by which such lines were sent: they are given again. */
  check?(): void
  close(): void
}
