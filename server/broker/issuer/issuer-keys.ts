import { readFileSync } from 'node:fs'
import { CountersignError } from '../../../src/errors.ts'
import { connectEndpoint } from '../../../src/federation/connect.ts'
import { download } from '../../../src/federation/download.ts'
import { type HostLookup, locate } from '../../../src/federation/locate.ts'
import { parseNetworks } from '../../../src/federation/networks.ts'
import type { Clock } from '../../../src/runtime/clock.ts'

const timeoutMs = 5000
// The operator has named the issuer: it may be anywhere.
const anywhere = parseNetworks(['0.0.0.0/0', '::/0'])

/** Fetches a JWK Set of the issuer. Rejects as `locate`, `connectEndpoint` and `download`. */
export function issuerKeys(
  url: string,
  ca: string | undefined,
  deps: { readonly lookup: HostLookup; readonly clock: Clock },
): (signal: AbortSignal) => Promise<string> {
  const at = new URL(url)
  const profile = { type: 'https_web', ...(ca !== undefined && { ca: [ca] }) } as const
  return async (signal) => {
    const { lookup, clock } = deps
    const options = { lookup, allowedNetworks: anywhere, allowedPorts: undefined }
    const location = await locate(at, options)
    const socket = await connectEndpoint(location, { profile, timeoutMs, clock, signal })
    return (await download(socket, at)).text
  }
}

/** Throws `invalid` `issuer-ca`. */
export function readIssuerCa(path: string | undefined): string | undefined {
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8')
  } catch (cause) {
    throw new CountersignError('invalid', `${path} cannot be read`, {
      reason: 'issuer-ca',
      fix: 'let issuer_ca name a PEM file of the CA that signs the issuer’s certificate',
      cause,
    })
  }
}
