import { readFileSync } from 'node:fs'

/**
 * The records of a trail, but for its signed heads: those come by the clock, each minute, between any two others. Nor one
 * that is being written: what has been answered is there whole.
 */
export function recordsIn<R = Record<string, unknown>>(auditFile: string): readonly R[] {
  const lines = readFileSync(auditFile, 'utf8').split('\n').slice(0, -1)
  const records = lines.map((line) => JSON.parse(line) as { readonly kind: string })
  return records.filter(({ kind }) => kind !== 'trail.head') as R[]
}
