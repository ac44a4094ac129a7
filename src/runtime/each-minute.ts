import type { Clock } from './clock.ts'

const againMs = 60_000
/** More kinds of trouble than this are begun anew with. */
const maxKinds = 64

/** Says what goes on failing once a minute for each kind of it, however often it is tried. */
export function eachMinute<T>(
  clock: Pick<Clock, 'monotonicMs'>,
  kindOf: (trouble: T) => string,
  say: (trouble: T) => void,
): (trouble: T) => void {
  const saidMs = new Map<string, number>()
  return (trouble) => {
    const kind = kindOf(trouble)
    const nowMs = clock.monotonicMs()
    if (nowMs - (saidMs.get(kind) ?? Number.NEGATIVE_INFINITY) < againMs) return
    if (saidMs.size >= maxKinds) saidMs.clear()
    saidMs.set(kind, nowMs)
    say(trouble)
  }
}
