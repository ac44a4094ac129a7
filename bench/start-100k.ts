// A server that has 100,000 entries starts: from the start of its process until agents can call. The bare
// program reads the same rows and parses their JSON.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startChild } from './support/child.ts'
import { openServer } from './support/countersign.ts'
import { bounded, median, report, round, short } from './support/report.ts'

const entryCount = short ? 20_000 : 100_000
const starts = short ? 2 : 5

const folder = mkdtempSync(join(tmpdir(), 'bench-'))
const empty = await openServer({ folder })
const emptyMs = empty.child.ready.readyMs
const { id: parent } = await empty.joinAgent()
await empty.createEntries(parent, entryCount)
await empty.close()

const readyMs: number[] = []
const bareMs: number[] = []
for (let at = 0; at < starts; at++) {
  const server = await openServer({ folder })
  readyMs.push(server.child.ready.readyMs)
  await server.close()
  const bare = await startChild<{ readonly readyMs: number }>('child-bare-load.ts', {
    path: join(folder, 'server', 'store.sqlite'),
  })
  bareMs.push(bare.ready.readyMs)
  await bare.kill()
}
rmSync(folder, { recursive: true, force: true })
report('start-100k', {
  ready: bounded(median(readyMs), 1000, 'ms', {
    entries: entryCount,
    bare: Math.round(median(bareMs)),
    ratio: round(median(readyMs.map((ours, at) => ours / (bareMs[at] ?? Number.NaN)))),
    // A first start makes tables and keys too.
    firstStartWithoutEntriesMs: round(emptyMs),
    allMs: readyMs.map(Math.round),
  }),
})
