// A connection of its own for each fetch: dial, take the first FetchX509SVID message, hang up; 16 at a
// time. The bare program: the same against a grpc-js echo that looks at the caller in /proc.
import { startChild } from './support/child.ts'
import { openAgent, openServer } from './support/countersign.ts'
import { firstMessage, h2Unix } from './support/h2.ts'
import { closedLoop, compare, type Load } from './support/load.ts'
import { report } from './support/report.ts'
import { untilServed, x509Path, x509Request } from './support/workload.ts'

const clientCount = 16

async function dialAndFetch(socket: string): Promise<Buffer> {
  const session = await h2Unix(socket)
  try {
    return await firstMessage(session, x509Path, x509Request)
  } finally {
    session.destroy()
  }
}

const server = await openServer()
const agent = await openAgent(server)
await server.createEntries(agent.id, 1)
const { socket } = agent.child.ready
await untilServed(socket)
const x509 = (await dialAndFetch(socket)).toString('base64')
const bare = await startChild<{ readonly socket: string }>('child-bare-uds.ts', {
  pid: process.pid,
  x509,
  jwt: '',
})
const load = (path: string, pid: number): Promise<Load> =>
  closedLoop(
    Array.from({ length: clientCount }, () => () => dialAndFetch(path)),
    { pid },
  )
report('dial-fetch', {
  dialFetch: await compare(
    {
      ours: () => load(socket, agent.child.pid),
      bare: () => load(bare.ready.socket, bare.pid),
    },
    0.7,
    '1,500/s',
  ),
})
await Promise.all([bare.kill(), agent.close()])
await server.close()
