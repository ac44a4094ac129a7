import { systemClock } from '../runtime/clock.ts'
import { parseEndpoint } from '../workload-api/endpoint.ts'
import { openWorkloadApi } from '../workload-api/grpc.ts'
import type { Io } from './io.ts'
import { printJwtSvids, printX509Svids } from './svid-view.ts'

const timeoutMs = 10_000

/** Fetches both kinds of SVID as any workload would, and shows them without their keys. */
export async function showIdentity(io: Io, endpoint: string): Promise<void> {
  const api = openWorkloadApi(parseEndpoint(endpoint))
  const call = { metadata: api.metadata, timeoutMs }
  try {
    for await (const { svids } of api.rpc.serverStream('FetchX509SVID', {}, call)) {
      const [svid] = svids
      if (svid === undefined) continue
      io.write('Your X.509-SVID\n')
      const shown = { chain: svid.x509_svid, hint: svid.hint }
      printX509Svids(io, 'table', [shown], systemClock.now())
      break
    }
    const { svids } = await api.rpc.unary('FetchJWTSVID', { audience: ['demo'] }, call)
    const [jwt] = svids
    if (jwt !== undefined) {
      io.write('\nYour JWT-SVID for the audience "demo"\n')
      const shown = { token: jwt.svid, spiffeId: jwt.spiffe_id, hint: jwt.hint }
      printJwtSvids(io, 'table', [shown], systemClock.now())
    }
  } finally {
    api.close()
  }
}
