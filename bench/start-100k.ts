// A server that has 100,000 entries starts: the bundle, started as an operator starts it, from the start of
// its process until agents can call, keys and tables being there. Beside it, the same without an entry,
// and a bare program that reads the same rows and parses their JSON.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../test/support/free-port.ts'
import { startChild } from './support/child.ts'
import { startCommand, stopCommand, withBundle } from './support/command.ts'
import { openServer } from './support/countersign.ts'
import { bounded, median, report, round, short } from './support/report.ts'

const entryCount = short ? 20_000 : 100_000
const starts = short ? 2 : 5

async function fill(folder: string, entries: number): Promise<void> {
  const server = await openServer({ folder })
  if (entries > 0) await server.createEntries((await server.joinAgent()).id, entries)
  await server.close()
}

async function startMs(folder: string): Promise<number> {
  const [port, httpPort] = [await freePort(), await freePort()]
  const began = performance.now()
  const server = startCommand(
    [
      ...['server', 'run', '--trust-domain', 'example.org', '--data-dir', join(folder, 'server')],
      ...['--bind-address', `127.0.0.1:${port}`, '--http-address', `127.0.0.1:${httpPort}`],
    ],
    { logLevel: 'info' },
  )
  if (server.stderr === null) throw new Error('the server has no log')
  let readyMs = Number.NaN
  for await (const line of createInterface({ input: server.stderr })) {
    if (!line.includes('"server is ready"')) continue
    readyMs = performance.now() - began
    break
  }
  server.stderr.resume()
  await stopCommand(server)
  return readyMs
}

const full = mkdtempSync(join(tmpdir(), 'bench-'))
const empty = mkdtempSync(join(tmpdir(), 'bench-'))
await fill(full, entryCount)
await fill(empty, 0)
const fullMs: number[] = []
const emptyMs: number[] = []
const bareMs: number[] = []
await withBundle(async () => {
  // The first one of a bundle compiles it; Node keeps that.
  await startMs(empty)
  for (let at = 0; at < starts; at++) {
    emptyMs.push(await startMs(empty))
    fullMs.push(await startMs(full))
    const bare = await startChild<{ readonly readyMs: number }>('child-bare-load.ts', {
      path: join(full, 'server', 'store.sqlite'),
    })
    bareMs.push(bare.ready.readyMs)
    await bare.kill()
  }
})
for (const folder of [full, empty]) rmSync(folder, { recursive: true, force: true })
report('start-100k', {
  ready: bounded(median(fullMs), 1000, 'ms', {
    entries: entryCount,
    bare: Math.round(median(bareMs)),
    ratio: round(median(fullMs.map((ours, at) => ours / (bareMs[at] ?? Number.NaN)))),
    allMs: fullMs.map(Math.round),
  }),
  withoutEntries: { ours: Math.round(median(emptyMs)), unit: 'ms', allMs: emptyMs.map(Math.round) },
})
