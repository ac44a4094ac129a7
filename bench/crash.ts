// The server is killed with SIGKILL under writes, again and again: what it has acknowledged must be there.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { someAgent } from '../test/support/running-server.ts'
import { type BenchServer, openServer } from './support/countersign.ts'
import { report, short } from './support/report.ts'

const kills = short ? 3 : 12
const writers = 4
const batch = 20

const folder = mkdtempSync(join(tmpdir(), 'bench-'))
const created = new Set<string>()
const deleted = new Set<string>()
let lost = 0
let risen = 0

/** Creates, and deletes every third batch again, until the server is gone. */
async function write(server: BenchServer): Promise<void> {
  for (let at = 0; ; at++) {
    try {
      const ids = await server.createEntries(someAgent, batch)
      for (const id of ids) created.add(id)
      if (at % 3 !== 0) continue
      // Between the request and its answer nobody can say whether they are there.
      for (const id of ids) created.delete(id)
      await server.deleteEntries(ids)
      for (const id of ids) deleted.add(id)
    } catch {
      return
    }
  }
}

async function idsOf(server: BenchServer): Promise<ReadonlySet<string>> {
  const client = server.admin('spire.api.server.entry.v1.Entry')
  const ids = new Set<string>()
  let page_token = ''
  do {
    const page = await client.unary('ListEntries', { page_size: 1000, page_token })
    for (const { id } of page.entries) ids.add(id)
    page_token = page.next_page_token
  } while (page_token !== '')
  return ids
}

for (let kill = 0; kill <= kills; kill++) {
  const server = await openServer({ folder })
  const ids = await idsOf(server)
  for (const id of created) lost += ids.has(id) ? 0 : 1
  for (const id of deleted) risen += ids.has(id) ? 1 : 0
  if (kill < kills) {
    const writing = Array.from({ length: writers }, () => write(server))
    await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 700))
    server.child.process.kill('SIGKILL')
    await Promise.all(writing)
  }
  await server.close()
}
rmSync(folder, { recursive: true, force: true })
report('crash', {
  lost: {
    ours: lost,
    unit: 'acknowledged entries',
    target: '0',
    met: lost === 0 && created.size > 0,
    risen,
    kills,
    acknowledged: created.size,
    acknowledgedDeletes: deleted.size,
  },
})
