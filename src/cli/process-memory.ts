import { libc } from '../rpc/libc.ts'
import { systemClock } from '../runtime/clock.ts'
import { collectGarbage, giveBackSpareMemory, processUsage } from '../runtime/spare-memory.ts'

/** Looks after the memory of a process that stays, until the signal aborts. */
export function keepProcessSmall(signal: AbortSignal): Promise<void> {
  return giveBackSpareMemory(
    { clock: systemClock, usage: processUsage, collect: collectGarbage, trim: trimHeap },
    signal,
  )
}

function trimHeap(): void {
  try {
    libc().trimHeap()
  } catch {
    // Without the native module there is a little more in use, and that is all.
  }
}
