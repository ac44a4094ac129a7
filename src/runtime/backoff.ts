/** Waiting times that double up to a cap, each drawn from the upper half of its range. */
export interface Backoff {
  next(): number
  reset(): void
}

export function createBackoff(options: {
  readonly baseMs: number
  readonly capMs: number
  readonly random?: () => number
}): Backoff {
  const random = options.random ?? Math.random
  let attempt = 0
  return {
    next() {
      const ceiling = Math.min(options.capMs, options.baseMs * 2 ** attempt)
      if (ceiling < options.capMs) attempt += 1
      return ceiling * (0.5 + random() / 2)
    },
    reset() {
      attempt = 0
    },
  }
}
