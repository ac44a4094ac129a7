import type { X509SVIDResponse } from '../rpc/gen/X509SVIDResponse.ts'
import { systemClock } from '../runtime/clock.ts'
import { parseEndpoint } from '../workload-api/endpoint.ts'
import { openWorkloadApi } from '../workload-api/grpc.ts'
import type { Io } from './io.ts'
import { printJwtSvids, printX509Svids } from './svid-view.ts'

const timeoutMs = 10_000

/** Fetches both kinds of SVID as any workload would, then shows them without their keys. */
export async function showIdentity(io: Io, endpoint: string): Promise<void> {
  const api = openWorkloadApi(parseEndpoint(endpoint))
  const call = { metadata: api.metadata, timeoutMs }
  try {
    const [svid] = await firstSvids(api.rpc.serverStream('FetchX509SVID', {}, call))
    const { svids } = await api.rpc.unary('FetchJWTSVID', { audience: ['demo'] }, call)
    const [jwt] = svids
    if (svid === undefined || jwt === undefined) return
    const now = systemClock.now()
    io.write('Your X.509-SVID\n')
    printX509Svids(io, 'table', [{ chain: svid.x509_svid, hint: svid.hint }], now)
    io.write('\nYour JWT-SVID for the audience "demo"\n')
    const shown = { token: jwt.svid, spiffeId: jwt.spiffe_id, hint: jwt.hint }
    printJwtSvids(io, 'table', [shown], now)
  } finally {
    api.close()
  }
}

async function firstSvids(
  updates: AsyncIterable<X509SVIDResponse>,
): Promise<X509SVIDResponse['svids']> {
  for await (const { svids } of updates) return svids
  return []
}
