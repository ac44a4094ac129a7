import type { Clock } from '../../src/runtime/clock.ts'
import { flushEvery } from '../../src/runtime/flush-every.ts'
import type { Log } from '../../src/runtime/log.ts'
import { createOutage } from '../../src/runtime/outage.ts'
import { putLegacyUse } from '../store/legacy-use.ts'
import type { Store } from '../store/store.ts'

/** Remembers when each key was used last, so that what nobody uses can be found and removed. */
export interface LegacyUse {
  note(entryId: string): void
  /** Writes down what was noted, each two seconds and at the end. */
  run(signal: AbortSignal): Promise<void>
}

const flushMs = 2000

export function createLegacyUse(deps: {
  readonly store: Pick<Store, 'write'>
  readonly clock: Clock
  readonly log: Log
}): LegacyUse {
  const { store, clock, log } = deps
  const outage = createOutage({
    lost: 'it could not be written down which legacy keys were used',
    back: 'which legacy keys were used is written down again',
    ...{ level: 'error', clock, log },
  })
  let used = new Map<string, Date>()
  const flush = async (): Promise<void> => {
    if (used.size === 0) return
    const batch = used
    used = new Map()
    try {
      await store.write((tx) => putLegacyUse(tx, batch))
      outage.over()
    } catch (error) {
      used = new Map([...batch, ...used])
      outage.failed(error)
    }
  }
  return {
    note: (entryId) => void used.set(entryId, clock.now()),
    run: (signal) => flushEvery(clock, flushMs, flush, signal),
  }
}
