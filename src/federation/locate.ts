import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { CountersignError } from '../errors.ts'
import { mayConnect, type Networks } from './networks.ts'

/** The addresses of a host's name, in the order in which to try them. */
export type HostLookup = (host: string) => Promise<readonly string[]>

/**
 * One question a name at a time, whose answer is that of all who ask meanwhile. Node has two threads for names: of one whose
 * servers do not answer, many questions would keep all other names waiting for minutes.
 */
export function askedOnce(lookup: HostLookup): HostLookup {
  const asking = new Map<string, Promise<readonly string[]>>()
  return (host) => {
    const asked = asking.get(host) ?? lookup(host).finally(() => asking.delete(host))
    asking.set(host, asked)
    return asked
  }
}

/** As this machine resolves names. */
export const systemLookup: HostLookup = askedOnce(async (host) =>
  (await lookup(host, { all: true })).map(({ address }) => address),
)

const maxAddresses = 3

export interface Location {
  readonly addresses: readonly string[]
  readonly port: number
  /** To ask for in TLS; undefined where the URL has an address for a host. */
  readonly serverName: string | undefined
}

/**
 * Where a URL leads. The name is resolved here once, and whoever connects takes these very addresses,
 * so that no second answer counts. Throws `forbidden` (`federation-port`, `federation-address`) and
 * `unavailable` / `federation-name`.
 */
export async function locate(
  url: URL,
  options: {
    readonly lookup: HostLookup
    readonly allowedNetworks: Networks
    readonly allowedPorts: readonly number[] | undefined
  },
): Promise<Location> {
  const port = url.port === '' ? 443 : Number(url.port)
  if (options.allowedPorts?.includes(port) === false) {
    throw new CountersignError('forbidden', `nothing is fetched from port ${port}`, {
      reason: 'federation-port',
      fix: 'allow the port, if that is where the document is served',
    })
  }
  // Decimal, octal and hexadecimal forms of IPv4 are four numbers by now.
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
  const isAddress = isIP(host) !== 0
  const found = isAddress ? [host] : await resolve(host, options.lookup)
  const addresses = found.filter((address) => mayConnect(address, options.allowedNetworks))
  if (addresses.length === 0) {
    throw new CountersignError('forbidden', 'the endpoint has no address that is public', {
      reason: 'federation-address',
      fix: 'allow its network, if the endpoint belongs into a private one',
    })
  }
  return {
    addresses: inTurns(addresses).slice(0, maxAddresses),
    port,
    serverName: isAddress ? undefined : host,
  }
}

/** IPv6 and IPv4 in turns (RFC 8305 §4): where one of the two leads nowhere, the other is tried all the same. */
function inTurns(addresses: readonly string[]): readonly string[] {
  const turn = (address: string): number =>
    addresses.filter((one) => isIP(one) === isIP(address)).indexOf(address)
  return addresses.toSorted((one, other) => turn(one) - turn(other))
}

async function resolve(host: string, lookup: HostLookup): Promise<readonly string[]> {
  try {
    return await lookup(host)
  } catch (cause) {
    throw new CountersignError('unavailable', 'the name of the endpoint is not known', {
      reason: 'federation-name',
      cause,
    })
  }
}
