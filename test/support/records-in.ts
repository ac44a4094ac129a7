import { readFileSync } from 'node:fs'

/** The records of a trail, but for its signed heads: those come by the clock, each minute, between any two others. */
export function recordsIn<R = Record<string, unknown>>(auditFile: string): readonly R[] {
  const lines = readFileSync(auditFile, 'utf8').trim().split('\n')
  const records = lines.map((line) => JSON.parse(line) as { readonly kind: string })
  return records.filter(({ kind }) => kind !== 'trail.head') as R[]
}
