import fc from 'fast-check'

const steps = 2 ** 24

/** From 0 to just below 1, and all of it: `fc.double` draws among all doubles, most of which are next to nothing. */
export const share: fc.Arbitrary<number> = fc.nat({ max: steps - 1 }).map((n) => n / steps)
