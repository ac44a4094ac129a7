import { readFileSync } from 'node:fs'
import { CountersignError } from '../../src/errors.ts'
import { connectEndpoint } from '../../src/federation/connect.ts'
import { download } from '../../src/federation/download.ts'
import { type HostLookup, locate } from '../../src/federation/locate.ts'
import { parseNetworks } from '../../src/federation/networks.ts'
import type { Clock } from '../../src/runtime/clock.ts'

const timeoutMs = 5000
// The operator has named the issuer: it may be anywhere.
const anywhere = parseNetworks(['0.0.0.0/0', '::/0'])

/** Fetches the issuer's JWK Set. Throws `invalid` `issuer-ca`; what it makes rejects as `download` and `connectEndpoint`. */
export function issuerKeys(
  issuer: string,
  caFile: string | undefined,
  deps: { readonly lookup: HostLookup; readonly clock: Clock },
): (signal: AbortSignal) => Promise<string> {
  const url = new URL(`${issuer}/oauth/jwks`)
  const ca = caFile === undefined ? undefined : [readCa(caFile)]
  const profile = { type: 'https_web', ...(ca !== undefined && { ca }) } as const
  return async (signal) => {
    const { lookup, clock } = deps
    const options = { lookup, allowedNetworks: anywhere, allowedPorts: undefined }
    const location = await locate(url, options)
    return download(await connectEndpoint(location, { profile, timeoutMs, clock, signal }), url)
  }
}

function readCa(path: string): string {
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
