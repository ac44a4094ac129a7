/** By how much servers date certificates back, for verifiers whose clock is behind. */
const backdateMs = 10_000

/**
 * How long an SVID that was signed just now is good for, in ms, without a word from this machine's wall clock. Of a
 * life that is no longer than what servers date back, nothing is known but that it ends: half of it.
 */
export function goodForMs({
  notBefore,
  expiresAt,
}: {
  readonly notBefore: Date
  readonly expiresAt: Date
}): number {
  const lifeMs = expiresAt.getTime() - notBefore.getTime()
  return lifeMs > backdateMs ? lifeMs - backdateMs : lifeMs / 2
}
