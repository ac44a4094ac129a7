/**
 * An AbortSignal for Ctrl-C and SIGTERM. A second one of them ends the process at once: the operator
 * has lost patience. `release` takes the listeners off.
 */
export function untilStopped(onImpatience: () => void): {
  readonly signal: AbortSignal
  release(): void
} {
  const controller = new AbortController()
  const stop = (): void => {
    if (controller.signal.aborted) onImpatience()
    else controller.abort(new DOMException('stopped', 'AbortError'))
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  return {
    signal: controller.signal,
    release() {
      process.off('SIGINT', stop)
      process.off('SIGTERM', stop)
    },
  }
}

/** Calls back for each of the signals, in the place of what they do otherwise, until the result is called. */
export function onSignals(
  signals: readonly NodeJS.Signals[],
  listener: (signal: NodeJS.Signals) => void,
): () => void {
  for (const signal of signals) process.on(signal, listener)
  return () => {
    for (const signal of signals) process.off(signal, listener)
  }
}
