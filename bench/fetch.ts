// FetchX509SVID (open the stream, take the first message) and a cached FetchJWTSVID by 16 clients, each
// call attested. The bare program: a grpc-js echo of the same shape and size over a Unix socket, which
// looks at the caller in /proc once a call.
import type { ClientHttp2Session } from 'node:http2'
import { startChild } from './support/child.ts'
import { openAgent, openServer } from './support/countersign.ts'
import { firstMessage, h2Unix, steadyClient, unaryCall } from './support/h2.ts'
import { closedLoop, compare, type Load } from './support/load.ts'
import { type Figure, report } from './support/report.ts'
import { jwtPath, jwtRequest, untilServed, x509Path, x509Request } from './support/workload.ts'

const clientCount = 16

const server = await openServer()
const agent = await openAgent(server)
await server.createEntries(agent.id, 1)
const first = await untilServed(agent.child.ready.socket)
const ourSession = await h2Unix(agent.child.ready.socket)
const x509 = await firstMessage(ourSession, x509Path, x509Request)
const jwt = await unaryCall(ourSession, jwtPath, jwtRequest)
const bare = await startChild<{ readonly socket: string }>('child-bare-uds.ts', {
  pid: process.pid,
  x509: x509.toString('base64'),
  jwt: jwt.toString('base64'),
})
ourSession.destroy()
const ours = clients(agent.child.ready.socket)
const theirs = clients(bare.ready.socket)

const calls = {
  x509: (session: ClientHttp2Session) => firstMessage(session, x509Path, x509Request),
  jwt: (session: ClientHttp2Session) => unaryCall(session, jwtPath, jwtRequest),
}
const load = (
  among: readonly ReturnType<typeof steadyClient>[],
  kind: keyof typeof calls,
  pid: number,
): Promise<Load> =>
  closedLoop(
    among.map((client) => () => client(calls[kind])),
    { pid },
  )

const figures: Record<string, Figure> = {}
for (const kind of ['x509', 'jwt'] as const) {
  figures[kind === 'x509' ? 'FetchX509SVID' : 'FetchJWTSVID'] = await compare(
    {
      ours: () => load(ours, kind, agent.child.pid),
      bare: () => load(theirs, kind, bare.pid),
    },
    0.7,
    '9,000/s',
    { bytes: kind === 'x509' ? x509.length : jwt.length },
  )
}
report('fetch', { ...figures, firstSvid: { ours: first, unit: 'ms after the entry was created' } })
await Promise.all([bare.kill(), agent.close()])
await server.close()
process.exit()

function clients(socket: string): ReturnType<typeof steadyClient>[] {
  return Array.from({ length: clientCount }, () => steadyClient(() => h2Unix(socket)))
}
