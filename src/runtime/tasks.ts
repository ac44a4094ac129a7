type Task = (signal: AbortSignal) => Promise<void>

/**
 * Runs the tasks side by side until all have ended. The first that fails aborts the others, and its
 * error is thrown once all have settled; so is the end of the outer signal, after which a task that
 * merely reports the abort does not count as failed.
 */
export async function runTogether(outer: AbortSignal, ...tasks: readonly Task[]): Promise<void> {
  const controller = new AbortController()
  const signal = AbortSignal.any([outer, controller.signal])
  const failures: unknown[] = []
  await Promise.all(
    tasks.map(async (task) => {
      try {
        await task(signal)
      } catch (error) {
        if (signal.aborted && (error === signal.reason || isAbortError(error))) return
        failures.push(error)
        controller.abort(error)
      }
    }),
  )
  if (failures.length > 0) throw failures[0]
}

export function isAbortError(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}

/** Resolves when the signal aborts. */
export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
