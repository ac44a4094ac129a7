interface Act {
  readonly sub: string
  readonly act?: Act
}

/** RFC 8693 §4.1: the current actor outermost. */
export function nestedActors(actors: readonly string[]): Act | undefined {
  return actors.reduceRight<Act | undefined>(
    (before, sub) => (before === undefined ? { sub } : { sub, act: before }),
    undefined,
  )
}
