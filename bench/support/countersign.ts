import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createClient, type RpcClient } from '../../src/rpc/client.ts'
import { dialTls, dialUnix } from '../../src/rpc/dial.ts'
import type { ServiceDefinitions } from '../../src/rpc/services.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { SpiffeId, TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { attest, type TestIdentity, wireEntry } from '../../test/support/running-server.ts'
import { type Child, startChild } from './child.ts'

export interface ServerReady {
  readonly address: string
  readonly adminSocket: string
  readonly readyMs: number
}

/** For a profile: BENCH_SERVER_OPTIONS='--cpu-prof --cpu-prof-dir=/tmp/profiles'. */
function nodeOptionsFor(side: 'SERVER' | 'AGENT'): readonly string[] {
  return (process.env[`BENCH_${side}_OPTIONS`] ?? '').split(' ').filter((option) => option !== '')
}

/** A server in a child process, and what an operator does with it. */
export interface BenchServer {
  readonly folder: string
  readonly child: Child<ServerReady>
  admin<N extends keyof ServiceDefinitions>(name: N): RpcClient<ServiceDefinitions[N]>
  token(): Promise<string>
  /** An attested agent that is not there: an identity to call the server with. */
  joinAgent(): Promise<TestIdentity>
  /** `count` entries below the parent, 500 a call; their ids. */
  createEntries(parent: SpiffeId, count: number, selectors?: readonly string[]): Promise<string[]>
  deleteEntries(ids: readonly string[]): Promise<void>
  close(): Promise<void>
}

export interface BenchAgent {
  readonly child: Child<{ readonly socket: string }>
  readonly id: SpiffeId
  close(): Promise<void>
}

export async function openServer(options: { readonly folder?: string } = {}): Promise<BenchServer> {
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'bench-'))
  const child = await startChild<ServerReady>(
    'child-server.ts',
    { folder },
    nodeOptionsFor('SERVER'),
  )
  const channel = dialUnix(child.ready.adminSocket)
  const server: BenchServer = {
    folder,
    child,
    admin: (name) => createClient(name, channel),
    token: async () =>
      (await server.admin('spire.api.server.agent.v1.Agent').unary('CreateJoinToken', { ttl: 600 }))
        .value,
    async joinAgent() {
      const tls = dialTls({
        address: child.ready.address,
        log: silentLog,
        verifyPeer: () => SpiffeId.parse('spiffe://example.org/spire/server'),
      })
      try {
        return await attest(tls, await server.token())
      } finally {
        tls.close()
      }
    },
    async createEntries(parent, count, selectors = [`unix:uid:${process.getuid?.()}`]) {
      const ids: string[] = []
      for (let from = 0; from < count; from += 500) {
        const { results } = await server.admin('spire.api.server.entry.v1.Entry').unary(
          'BatchCreateEntry',
          {
            entries: Array.from({ length: Math.min(500, count - from) }, (_, at) =>
              wireEntry({ path: `/bench/${serial()}-${from + at}`, parent, selectors }),
            ),
          },
          { timeoutMs: 60_000 },
        )
        ids.push(...results.map(({ entry }) => entry?.id ?? ''))
      }
      return ids
    },
    async deleteEntries(ids) {
      await server
        .admin('spire.api.server.entry.v1.Entry')
        .unary('BatchDeleteEntry', { ids: [...ids] })
    },
    async close() {
      channel.close()
      await child.kill()
      if (options.folder === undefined) rmSync(folder, { recursive: true, force: true })
    },
  }
  return server
}

let lastSerial = 0
function serial(): number {
  lastSerial += 1
  return lastSerial
}

/** An agent in a child process, joined to the server. */
export async function openAgent(
  server: BenchServer,
  nodeOptions: readonly string[] = [],
): Promise<BenchAgent> {
  const child = await startChild<{ readonly socket: string }>(
    'child-agent.ts',
    { folder: server.folder, address: server.child.ready.address, token: await server.token() },
    [...nodeOptions, ...nodeOptionsFor('AGENT')],
  )
  return {
    child,
    id: agentIdAmong(
      (await server.admin('spire.api.server.agent.v1.Agent').unary('ListAgents', {})).agents,
    ),
    close: () => child.kill(),
  }
}

/** The agent that joined last. Throws where there is none. */
export function agentIdAmong(
  agents: readonly {
    readonly id: { readonly trust_domain: string; readonly path: string } | null
  }[],
): SpiffeId {
  const id = agents.at(-1)?.id
  if (id === null || id === undefined) throw new Error('no agent')
  return SpiffeId.of(TrustDomain.parse(id.trust_domain), id.path)
}
