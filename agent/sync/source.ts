import type { Change, Snapshot } from '../cache/snapshot.ts'

/**
 * Where changes come from. Each goes on from what is held, or is a snapshot; the next is asked for
 * once the last was applied. One that changes nothing says that the server is there. Ends, without an
 * error, when it is time to look for a better source; throws when the server is lost.
 */
export type ChangeSource = (
  held: () => Snapshot,
  signal: AbortSignal,
) => AsyncGenerator<Change, void, void>
