// NewJWTSVID by an agent over TLS, 2 and 16 clients. The bare program: the same message over grpc-js and
// TLS, one ES256 signature, one durable append for all that wait.
import type { ClientHttp2Session } from 'node:http2'
import { serviceDefinition } from '../src/rpc/services.ts'
import { frame, unaryCall } from './support/h2.ts'
import { closedLoop, compare, type Load } from './support/load.ts'
import { type Figure, report } from './support/report.ts'
import { openSigningPair } from './support/signing.ts'

const { NewJWTSVID } = serviceDefinition('spire.api.server.svid.v1.SVID')
const pair = await openSigningPair()
const [entry_id = ''] = await pair.server.createEntries(pair.agent.id, 1)
const request = frame(NewJWTSVID.requestSerialize({ entry_id, audience: ['bench'] }))
const load = (sessions: readonly ClientHttp2Session[], pid: number): Promise<Load> =>
  closedLoop(
    sessions.map((session) => () => unaryCall(session, NewJWTSVID.path, request)),
    { pid },
  )

const figures: Record<string, Figure> = {}
for (const [clients, aim] of [
  [2, '4,000/s'],
  [16, '8,000/s'],
] as const) {
  const { ours, theirs } = await pair.dial(clients)
  figures[`clients${clients}`] = await compare(
    {
      ours: () => load(ours, pair.server.child.pid),
      bare: () => load(theirs, pair.bare.pid),
    },
    0.7,
    aim,
  )
}
report('new-jwt', figures)
await pair.close()
