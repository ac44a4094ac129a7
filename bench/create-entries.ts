// BatchCreateEntry, 500 entries a call, one operator on the admin socket. The bare program: as many rows
// and change rows into SQLite (WAL, FULL), one transaction a batch, first without an RPC around it, then
// behind the same RPC with one durable append to a log beside it.
import type { ClientHttp2Session } from 'node:http2'
import { serviceDefinition } from '../src/rpc/services.ts'
import type { SpiffeId } from '../src/spiffe-id/spiffe-id.ts'
import { wireEntry } from '../test/support/running-server.ts'
import { startChild } from './support/child.ts'
import { openServer } from './support/countersign.ts'
import { frame, h2Unix, unaryCall } from './support/h2.ts'
import { rate, report, short } from './support/report.ts'

const batch = 500
const batches = short ? 4 : 20
const rounds = short ? 2 : 7

const { BatchCreateEntry } = serviceDefinition('spire.api.server.entry.v1.Entry')
const server = await openServer()
const { id: parent } = await server.joinAgent()
const bare = await startChild<{ readonly socket: string }>('child-bare-sqlite.ts', {
  folder: server.folder,
  batch,
})
const bareSession = await h2Unix(bare.ready.socket)
// The last thing before its first call: without one it is cut after ten seconds.
const session = await h2Unix(server.child.ready.adminSocket)

/** Framed requests, made before the clock runs: the operator's own work is not what is measured. */
function requests(roundNumber: number): Buffer[] {
  return Array.from({ length: batches }, (_, at) => request(`${roundNumber}-${at}`, parent))
}

function request(name: string, parentId: SpiffeId): Buffer {
  const entries = Array.from({ length: batch }, (_, at) =>
    wireEntry({
      path: `/bench/${name}/${at}`,
      parent: parentId,
      selectors: [`unix:uid:${1000 + at}`, `unix:gid:${1000 + at}`, `unix:path:/usr/bin/${name}`],
    }),
  )
  return frame(BatchCreateEntry.requestSerialize({ entries }))
}

async function create(among: ClientHttp2Session, framed: readonly Buffer[]): Promise<number> {
  const startMs = performance.now()
  let answer: Buffer = Buffer.alloc(0)
  for (const one of framed) answer = await unaryCall(among, BatchCreateEntry.path, one)
  const elapsedMs = performance.now() - startMs
  const { results } = BatchCreateEntry.responseDeserialize(answer)
  if (results.some(({ status }) => status?.code !== 0)) throw new Error('not all were created')
  return (framed.length * batch * 1000) / elapsedMs
}

async function insert(): Promise<number> {
  const { elapsedMs } = (await bare.ask(String(batches))) as { readonly elapsedMs: number }
  return (batches * batch * 1000) / elapsedMs
}

const ours: number[] = []
const theirs: number[] = []
const behindRpc: number[] = []
for (let at = 0; at <= rounds; at++) {
  const framed = requests(at)
  const [created, inserted] = [await create(session, framed), await insert()]
  const served = await create(bareSession, framed)
  // The first round is the compiler's.
  if (at === 0) continue
  ours.push(created)
  theirs.push(inserted)
  behindRpc.push(served)
}
report('create-entries', {
  againstInserts: rate(pairs(theirs), 0.6, '12,000/s', {
    batch,
    entries: (rounds + 1) * batches * batch,
  }),
  againstSameRpc: rate(pairs(behindRpc), 0.6, '12,000/s', { batch }),
})
session.destroy()
bareSession.destroy()
await bare.kill()
await server.close()

function pairs(others: readonly number[]): { readonly ours: number; readonly bare: number }[] {
  return ours.map((one, at) => ({ ours: one, bare: others[at] ?? Number.NaN }))
}
