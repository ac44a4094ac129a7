import { readFileSync } from 'node:fs'
import { reasons } from './reasons.ts'

export interface Rule {
  /** Document and number: `X509-06`. */
  readonly id: string
  readonly strength: string
  readonly binds: string
  readonly section: string
  readonly asks: string
  /** Why it has no test; undefined where it must have one. */
  readonly reason: string | undefined
}

export interface Family {
  readonly name: string
  readonly document: string
}

/** The documents in the order of the table, by what their rules' numbers begin with. */
export const families: readonly Family[] = [
  { name: 'ID', document: 'SPIFFE-ID' },
  { name: 'X509', document: 'X509-SVID' },
  { name: 'JWT', document: 'JWT-SVID' },
  { name: 'WIT', document: 'WIT-SVID (Incubating)' },
  { name: 'WLE', document: 'SPIFFE Workload Endpoint' },
  { name: 'WLA', document: 'SPIFFE Workload API' },
  { name: 'TDB', document: 'SPIFFE Trust Domain and Bundle' },
  { name: 'FED', document: 'SPIFFE Federation' },
  { name: 'BRE', document: 'SPIFFE Broker Endpoint (Incubating)' },
  { name: 'BRA', document: 'SPIFFE Broker API (Incubating)' },
]

export const rules: readonly Rule[] = readFileSync(new URL('rules.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map(parseRule)

function parseRule(line: string): Rule {
  const [id = '', strength = '', binds = '', section = '', asks = '', name] = line.split(' | ')
  const reason = name === undefined ? undefined : reasons[name]
  if (asks === '' || (name !== undefined && reason === undefined)) {
    throw new Error(`test/conformance/rules.txt: cannot read "${line}"`)
  }
  return { id, strength, binds, section, asks, reason }
}
