import type { ClientHttp2Session } from 'node:http2'
import { toPem } from '../../src/x509/pem.ts'
import type { TestIdentity } from '../../test/support/running-server.ts'
import { type Child, startChild } from './child.ts'
import { type BenchServer, openServer } from './countersign.ts'
import { h2Tls, type TlsClient } from './h2.ts'

/** A server with an agent that is not there, the bare program, and the agent's connections to both. */
export interface SigningPair {
  readonly server: BenchServer
  readonly bare: Child<{ readonly address: string }>
  readonly agent: TestIdentity
  /** So many connections to each; one that makes no call for ten seconds is cut. */
  dial(connections: number): Promise<{
    readonly ours: readonly ClientHttp2Session[]
    readonly theirs: readonly ClientHttp2Session[]
  }>
  close(): Promise<void>
}

export async function openSigningPair(): Promise<SigningPair> {
  const server = await openServer()
  const agent = await server.joinAgent()
  const bare = await startChild<{ readonly address: string }>('child-bare-tls.ts')
  const client: TlsClient = {
    cert: agent.chain.map((der) => toPem('CERTIFICATE', der)).join(''),
    key: toPem('PRIVATE KEY', agent.privateKey),
  }
  const opened: ClientHttp2Session[] = []
  const dial = async (address: string, count: number): Promise<ClientHttp2Session[]> => {
    const sessions = await Promise.all(Array.from({ length: count }, () => h2Tls(address, client)))
    opened.push(...sessions)
    return sessions
  }
  return {
    server,
    bare,
    agent,
    dial: async (connections) => ({
      ours: await dial(server.child.ready.address, connections),
      theirs: await dial(bare.ready.address, connections),
    }),
    async close() {
      for (const session of opened) session.destroy()
      await bare.kill()
      await server.close()
    },
  }
}
