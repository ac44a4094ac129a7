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
