/** `npm run strangers` tries all of it, `npm test` a little. */
const isAllTried: boolean = process.env['STRANGERS'] === 'all'

export function scale(little: number, all: number): number {
  return isAllTried ? all : little
}

/** How long a test may take when all of it is tried, milliseconds: several times what a busy machine needs. */
export const LONG = 900_000
