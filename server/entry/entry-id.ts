import { uuidV7 } from '../../src/runtime/uuid.ts'

/** A new id for an entry, a name and no secret: what may be done with an entry depends on who asks. */
export function newEntryId(now: Date): string {
  return uuidV7(now)
}
