import { CountersignError } from '../../src/errors.ts'

const maxDnsNames = 100
const maxNameLength = 253
const labelPattern = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

/**
 * Host names for a certificate's subject alternative names, in the order given, each once. Lower
 * case, letters, digits and hyphens; no wildcard: it would let one workload answer for its
 * neighbours. Throws `invalid` / `entry-dns-names`.
 */
export function checkDnsNames(names: readonly string[]): readonly string[] {
  if (names.length > maxDnsNames) throw refused(`an entry has at most ${maxDnsNames} DNS names`)
  for (const name of names) {
    const problem = problemOfDnsName(name)
    if (problem !== undefined) throw refused(problem)
  }
  return Object.freeze([...new Set(names)])
}

function problemOfDnsName(name: string): string | undefined {
  if (name === '') return 'a DNS name is empty'
  if (name.length > maxNameLength) return `a DNS name is longer than ${maxNameLength} bytes`
  const labels = name.split('.')
  if (labels.includes('*')) return 'a DNS name with a wildcard is not allowed'
  if (!labels.every((label) => labelPattern.test(label))) {
    return 'a DNS name has labels of 1 to 63 of a-z 0-9 -, with no hyphen at either end'
  }
  // Whoever compares it with a peer's address would take it for an IPv4 address (RFC 1123 §2.1).
  if (/^[0-9]+$/.test(labels.at(-1) ?? '')) return 'a DNS name does not end in a number'
  return undefined
}

function refused(message: string): CountersignError {
  return new CountersignError('invalid', message, { reason: 'entry-dns-names' })
}
