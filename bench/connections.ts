// 10,000 connections made and dropped against an agent's socket: a third silent, a third with bytes that
// are no HTTP/2, a third that fetch an SVID. What the agent holds before and after.
import { connect, type Socket } from 'node:net'
import { openAgent, openServer } from './support/countersign.ts'
import { firstMessage, h2Unix } from './support/h2.ts'
import { report, round, short } from './support/report.ts'
import type { Usage } from './support/usage.ts'
import { untilServed, x509Path, x509Request } from './support/workload.ts'

const connectionCount = short ? 1500 : 10_000
const atOnce = 32
const restMs = short ? 2000 : 10_000

const server = await openServer()
const agent = await openAgent(server, ['--expose-gc'])
await server.createEntries(agent.id, 1)
const { socket } = agent.child.ready
await untilServed(socket)

const kinds: readonly (() => Promise<unknown>)[] = [
  async () => (await dialled()).destroy(),
  async () => {
    const raw = await dialled()
    raw.end('GET / HTTP/1.1\r\n\r\n')
    await closed(raw)
  },
  async () => {
    const session = await h2Unix(socket)
    await firstMessage(session, x509Path, x509Request)
    session.destroy()
  },
]

function dialled(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const raw = connect(socket, () => resolve(raw))
    raw.on('error', reject)
  })
}

function closed(raw: Socket): Promise<void> {
  return new Promise((resolve) => {
    raw.resume()
    raw.once('close', () => resolve())
  })
}

async function churn(count: number): Promise<void> {
  let left = count
  const worker = async (): Promise<void> => {
    for (; left > 0; left -= 1) await kinds[left % kinds.length]?.()
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
}

async function rest(): Promise<Usage> {
  await new Promise((resolve) => setTimeout(resolve, restMs))
  return (await agent.child.ask('usage')) as Usage
}

// What the compiler and the caches take for good is not what is asked.
await churn(connectionCount / 5)
const before = await rest()
const startMs = performance.now()
await churn(connectionCount)
const elapsedMs = performance.now() - startMs
const after = await rest()
const leaked = after.descriptors - before.descriptors
const grownMiB = round(after.heapMiB - before.heapMiB)
report('connections', {
  descriptors: { ours: leaked, unit: 'more than before', target: '0', met: leaked <= 0 },
  heap: { ours: grownMiB, unit: 'MiB more', target: '<= 1', met: grownMiB <= 1 },
  churn: {
    ours: Math.round((connectionCount * 1000) / elapsedMs),
    unit: 'connections/s',
    connections: connectionCount,
    before,
    after,
  },
})
await agent.close()
await server.close()
