// An entry is created → its SVID has reached the last of 1,000 open FetchX509SVID streams of one agent.
// The bare program: a grpc-js server that writes the same message to 1,000 streams on a Unix socket.
import type { ClientHttp2Session } from 'node:http2'
import { type Child, startChild } from './support/child.ts'
import { openAgent, openServer } from './support/countersign.ts'
import { firstMessage, h2Unix, h2UnixMany, readMessages } from './support/h2.ts'
import { median, report, round, short } from './support/report.ts'
import { untilServed, x509Path, x509Request } from './support/workload.ts'

const streamCount = 1000
const rounds = short ? 3 : 15

/** `streams` open streams; `next` counts from now on, and resolves once each has had a longer message. */
interface Audience {
  next(): Promise<void>
  /** The longest message that was seen. */
  largest(): Buffer
  close(): void
}

async function openAudience(socket: string, connections: number): Promise<Audience> {
  let largest: Buffer = Buffer.alloc(0)
  let waiting = 0
  let longerThan = 0
  let isOver = false
  let broken: Error | undefined
  const opened = Promise.withResolvers<void>()
  let all = opened
  waiting = streamCount
  const openStream = (session: ClientHttp2Session): void => {
    const stream = readMessages(session, x509Path, x509Request, (message) => {
      if (message.length > largest.length) largest = Buffer.from(message)
      if (message.length <= longerThan) return
      waiting -= 1
      if (waiting === 0) all.resolve()
    })
    stream.on('error', () => {})
    // Nothing more comes to it: what waits for all of them would wait for ever.
    stream.on('close', () => {
      if (isOver) return
      broken = new Error('a stream has ended')
      all.reject(broken)
    })
  }
  const begin = (session: ClientHttp2Session): void => {
    for (let at = 0; at < streamCount / connections; at++) openStream(session)
  }
  const [sessions] = await Promise.all([h2UnixMany(socket, connections, begin), opened.promise])
  const base = largest.length
  return {
    next() {
      if (broken !== undefined) throw broken
      all = Promise.withResolvers<void>()
      longerThan = base
      waiting = streamCount
      return all.promise
    },
    largest: () => largest,
    close() {
      isOver = true
      for (const session of sessions) session.destroy()
    },
  }
}

/** Ours: milliseconds from the call that creates the entry, and from its answer, to the last stream. */
async function measureOurs(audience: Audience): Promise<{ sentMs: number; ackedMs: number }> {
  const all = audience.next()
  const sentAt = performance.now()
  let ackedAt = Number.NaN
  const created = server.createEntries(agent.id, 1).then((ids) => {
    ackedAt = performance.now()
    return ids
  })
  await all
  const lastAt = performance.now()
  await server.deleteEntries(await created)
  return { sentMs: lastAt - sentAt, ackedMs: lastAt - ackedAt }
}

async function measureBare(
  audience: Audience,
  bare: Child<unknown>,
  message: string,
): Promise<number> {
  const all = audience.next()
  const sentAt = performance.now()
  const pushed = bare.ask(`push ${message}`)
  await all
  const lastAt = performance.now()
  await pushed
  return lastAt - sentAt
}

const server = await openServer()
const agent = await openAgent(server)
await server.createEntries(agent.id, 1)
await untilServed(agent.child.ready.socket)
const session = await h2Unix(agent.child.ready.socket)
const x509 = await firstMessage(session, x509Path, x509Request)
session.destroy()
const bare = await startChild<{ readonly socket: string }>('child-bare-uds.ts', {
  pid: process.pid,
  x509: x509.toString('base64'),
  jwt: '',
})

const figures: Record<string, Parameters<typeof report>[1][string]> = {}
for (const connections of [streamCount, 1]) {
  const ours = await openAudience(agent.child.ready.socket, connections)
  const theirs = await openAudience(bare.ready.socket, connections)
  await settled()
  await measureOurs(ours)
  await settled()
  const message = ours.largest().toString('base64')
  await measureBare(theirs, bare, message)
  const sent: number[] = []
  const acked: number[] = []
  const pushed: number[] = []
  for (let round = 0; round < rounds; round++) {
    const { sentMs, ackedMs } = await measureOurs(ours)
    sent.push(sentMs)
    acked.push(ackedMs)
    await settled()
    pushed.push(await measureBare(theirs, bare, message))
  }
  ours.close()
  theirs.close()
  await settled()
  const ratio = ratioOf(acked, pushed)
  figures[connections === 1 ? 'oneConnection' : 'connectionEach'] = {
    ours: round(median(acked)),
    bare: round(median(pushed)),
    ratio,
    unit: 'ms',
    target: 'ratio <= 1.8',
    met: ratio <= 1.8,
    aim: '< 100 ms',
    fromCallMs: round(median(sent)),
    worstMs: round(Math.max(...acked)),
    ratioFromCall: ratioOf(sent, pushed),
    bestMs: round(Math.min(...acked)),
    streams: streamCount,
    connections,
    bytes: ours.largest().length,
  }
}
report('propagation', figures)
await Promise.all([bare.kill(), agent.close()])
await server.close()

/** The delete has to be through before the next entry is measured. */
function settled(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 300))
}

/** Of pairs taken one right after the other: the machine's speed drifts. */
function ratioOf(ours: readonly number[], bare: readonly number[]): number {
  return round(median(ours.map((one, at) => one / (bare[at] ?? Number.NaN))))
}
