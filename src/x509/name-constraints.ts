import { type DerReader, malformed, TAG } from './der.ts'
import { type AlternativeNames, NAME_TAG, readIa5 } from './general-name.ts'

interface Subtrees {
  readonly dns: readonly string[]
  readonly uri: readonly string[]
  /** Address and mask, 8 or 32 octets. */
  readonly ip: readonly Buffer[]
}

/** RFC 5280 §4.2.1.10. */
export interface NameConstraints {
  readonly permitted: Subtrees
  readonly excluded: Subtrees
  /** Whether there is a form that is not enforced here; no chain passes such a certificate. */
  readonly unsupported: boolean
}

/** The content of a NameConstraints extension's value. Throws `invalid`, reason `der-malformed`. */
export function readNameConstraints(value: DerReader): NameConstraints {
  const constraints = value.read(TAG.sequence)
  value.finish()
  const permitted = readSubtrees(constraints.maybe(0xa0))
  const excluded = readSubtrees(constraints.maybe(0xa1))
  constraints.finish()
  return {
    permitted,
    excluded,
    unsupported: permitted.unsupported || excluded.unsupported,
  }
}

function readSubtrees(list: DerReader | undefined): Subtrees & { unsupported: boolean } {
  const dns: string[] = []
  const uri: string[] = []
  const ip: Buffer[] = []
  let unsupported = false
  if (list?.done) throw malformed('no subtree')
  while (list !== undefined && !list.done) {
    const subtree = list.read(TAG.sequence)
    const tag = subtree.peek()
    const content = subtree.read(tag).content()
    // minimum and maximum: RFC 5280 wants them left out.
    if (!subtree.done) unsupported = true
    if (tag === NAME_TAG.dns) dns.push(readIa5(content).toLowerCase())
    else if (tag === NAME_TAG.uri) uri.push(readIa5(content).toLowerCase())
    else if (tag === NAME_TAG.ip && (content.length === 8 || content.length === 32)) {
      ip.push(content)
    } else unsupported = true
  }
  return { dns, uri, ip, unsupported }
}

/** Whether every name is inside the permitted subtrees of its form, where there are any, and in no excluded one. */
export function satisfies(names: AlternativeNames, constraints: NameConstraints): boolean {
  const { permitted, excluded } = constraints
  if (constraints.unsupported) return false
  return (
    names.dnsNames.every((name) => {
      const dns = name.toLowerCase()
      return (
        (permitted.dns.length === 0 || permitted.dns.some((base) => isDnsWithin(dns, base))) &&
        !excluded.dns.some((base) => mayReachInto(dns, base))
      )
    }) &&
    names.uris.every((uri) => {
      if (permitted.uri.length === 0 && excluded.uri.length === 0) return true
      const host = hostOf(uri)
      return (
        host !== undefined &&
        (permitted.uri.length === 0 || permitted.uri.some((base) => isHostWithin(host, base))) &&
        !excluded.uri.some((base) => isHostWithin(host, base))
      )
    }) &&
    names.ipAddresses.every(
      (address) =>
        (permitted.ip.length === 0 || permitted.ip.some((base) => isIpWithin(address, base))) &&
        !excluded.ip.some((base) => isIpWithin(address, base)),
    )
  )
}

/** The base itself or any name below it; a base with a leading dot means below it only. */
function isDnsWithin(name: string, base: string): boolean {
  if (base === '') return true
  return base.startsWith('.') ? name.endsWith(base) : name === base || name.endsWith(`.${base}`)
}

/** A wildcard stands for names in the excluded tree also where its own text lies above that tree. */
function mayReachInto(name: string, base: string): boolean {
  if (isDnsWithin(name, base)) return true
  if (!name.startsWith('*.')) return false
  const parent = name.slice(1)
  return base.endsWith(parent) || `.${base}` === parent
}

/** For URIs a base without a leading dot means that host alone. */
function isHostWithin(host: string, base: string): boolean {
  return base.startsWith('.') ? host.endsWith(base) && host.length > base.length : host === base
}

function isIpWithin(address: Buffer, base: Buffer): boolean {
  const size = address.length
  if (base.length !== 2 * size) return false
  for (let i = 0; i < size; i++) {
    const mask = base[size + i] ?? 0
    if (((address[i] ?? 0) & mask) !== ((base[i] ?? 0) & mask)) return false
  }
  return true
}

/** The host of `scheme://[user@]host[:port]/…`, lower case. */
function hostOf(uri: string): string | undefined {
  const from = uri.indexOf('://')
  if (from === -1) return undefined
  const authority = uri.slice(from + 3).split(/[/?#]/, 1)[0] ?? ''
  const hostPort = authority.slice(authority.lastIndexOf('@') + 1)
  // An address in brackets has no place in a tree of names.
  const host = hostPort.startsWith('[') ? '' : (hostPort.split(':', 1)[0] ?? '')
  return host === '' ? undefined : host.toLowerCase()
}
