// A server that has 100,000 entries starts: from the start of its process until agents can call.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
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
for (let at = 0; at < starts; at++) {
  const server = await openServer({ folder })
  readyMs.push(server.child.ready.readyMs)
  await server.close()
}
rmSync(folder, { recursive: true, force: true })
report('start-100k', {
  ready: bounded(median(readyMs), 1000, 'ms', {
    entries: entryCount,
    // A first start makes tables and keys too.
    firstStartWithoutEntriesMs: round(emptyMs),
    allMs: readyMs.map(Math.round),
  }),
})
