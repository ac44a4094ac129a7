/** Who wants to hear that something has changed. */
export interface Listeners {
  /** Calls back at each change from now on; the result ends that. */
  add(listener: () => void): () => void
  tell(): void
}

export function createListeners(): Listeners {
  const listeners = new Set<() => void>()
  return {
    add(listener) {
      const own = (): void => listener()
      listeners.add(own)
      return () => void listeners.delete(own)
    },
    tell() {
      for (const listener of listeners) listener()
    },
  }
}
