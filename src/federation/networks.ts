import { BlockList, isIP } from 'node:net'
import { CountersignError } from '../errors.ts'

type Network = readonly [address: string, prefix: number]

// What is no address of a host on the internet (IANA's registries of special-purpose addresses).
const special4: readonly Network[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
]
// Of IPv6 only this is given out. All else, such as IPv4 in IPv6 clothes, is no public address …
const given6: Network = ['2000::', 3]
// … nor are these parts of it.
const special6: readonly Network[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
]

const special = listOf([...special4, ...special6])
const given = listOf([given6])

function listOf(networks: readonly Network[]): BlockList {
  const list = new BlockList()
  for (const [address, prefix] of networks) list.addSubnet(address, prefix, familyOf(address))
  return list
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return address.includes(':') ? 'ipv6' : 'ipv4'
}

/** Networks to which connections may lead although they are not public. */
export interface Networks {
  has(address: string): boolean
}

/** Reads `10.0.0.0/8`, `fd00::/8` or single addresses. Throws `invalid` / `federation-network`. */
export function parseNetworks(texts: readonly string[]): Networks {
  const list = listOf(texts.map(parseNetwork))
  return { has: (address) => list.check(address, familyOf(address)) }
}

function parseNetwork(text: string): Network {
  const [, address = '', digits] = /^([0-9a-fA-F.:]{2,45})(?:\/([0-9]{1,3}))?$/.exec(text) ?? []
  const longest = { 0: -1, 4: 32, 6: 128 }[isIP(address)] ?? -1
  const prefix = digits === undefined ? longest : Number(digits)
  if (longest < 0 || prefix > longest) {
    throw new CountersignError('invalid', 'not a network', {
      reason: 'federation-network',
      fix: 'write it as 10.0.0.0/8, fd00::/8 or one address',
    })
  }
  return [address, prefix]
}

/**
 * A network as an operator writes it down, and it is kept. Throws `invalid` / `federation-network`; of `10.7.0.1/16` too,
 * which may be meant as one address or as all of them.
 */
export function checkNetwork(text: string): string {
  const [address, prefix] = parseNetwork(text)
  const first = firstOf(address, prefix)
  if (first === undefined) return text
  throw new CountersignError('invalid', `${text} is neither a network nor one address`, {
    reason: 'federation-network',
    fix: `write the network as ${first}/${prefix}, or the address as ${address}`,
  })
}

/** The first address of the network; undefined: it is this one. */
function firstOf(address: string, prefix: number): string | undefined {
  const [bits, radix, dot] = isIP(address) === 6 ? [16, 16, ':'] : [8, 10, '.']
  const groups = groupsOf(address).map((group) => Number.parseInt(group, radix))
  const first = groups.map((group, at) => {
    const behind = bits - Math.min(bits, Math.max(0, prefix - at * bits))
    return (group >> behind) << behind
  })
  if (first.every((group, at) => group === groups[at])) return undefined
  const text = first.map((group) => group.toString(radix)).join(dot)
  return dot === ':' ? shortest(text) : text
}

function groupsOf(address: string): readonly string[] {
  if (isIP(address) === 4) return address.split('.')
  const [before = '', after] = shortest(address).split('::')
  const [head, tail] = [before, after].map((part) => part?.split(':').filter(Boolean) ?? [])
  const zeros = Array.from({ length: 8 - (head?.length ?? 0) - (tail?.length ?? 0) }, () => '0')
  return [...(head ?? []), ...zeros, ...(tail ?? [])]
}

/** An IPv6 address as RFC 5952 writes it, without IPv4 in it. */
function shortest(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1)
}

/** Whether an address is public or of an allowed network (T8). One that names an interface never is. */
export function mayConnect(address: string, allowed: Networks): boolean {
  const version = isIP(address)
  if (version === 0 || address.includes('%')) return false
  if (allowed.has(address)) return true
  if (version === 6 && !given.check(address, 'ipv6')) return false
  return !special.check(address, familyOf(address))
}
