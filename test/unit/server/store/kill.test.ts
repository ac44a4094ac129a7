import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { lastChange, readChanges } from '../../../../server/store/changes.ts'
import { loadEntries } from '../../../../server/store/entries.ts'
import { openSqlite } from '../../../../server/store/sqlite.ts'
import { openStore } from '../../../../server/store/store.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { tempFolder, trustDomain } from './fixture.ts'

const script = join(import.meta.dirname, 'write-until-killed.ts')

/** Runs the writer until it has acknowledged `count` entries, kills it in the midst, and gives all that it acknowledged. */
async function killAfter(count: number, path: string, round: number): Promise<string[]> {
  const child = spawn(process.execPath, [script, path, String(round)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const closed = once(child, 'close')
  let printed = ''
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (text: string) => {
    printed += text
    if (printed.split('\n').length > count) child.kill('SIGKILL')
  })
  const [, signal] = await closed
  expect(signal).toBe('SIGKILL')
  // The last line may be torn; what was not printed whole was not acknowledged.
  return printed.split('\n').slice(0, -1)
}

test('F2 a server that is killed loses nothing that it has acknowledged', async () => {
  const path = join(tempFolder(), 'data.sqlite')
  const acknowledged: string[] = []
  for (const [round, count] of [150, 400, 37].entries()) {
    acknowledged.push(...(await killAfter(count, path, round)))
    await using store = await openStore({
      sealKey: Buffer.alloc(32, 7),
      connect: () => openSqlite(path),
      trustDomain,
      log: silentLog,
      clock: systemClock,
    })
    const kept = new Set((await loadEntries(store.db)).map((entry) => entry.id))
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([])
    const changes = await readChanges(store.db, 0, 1_000_000)
    expect(changes.map((change) => change.number)).toEqual(changes.map((_, i) => i + 1))
    expect(new Set(changes.map((change) => change.ref))).toEqual(kept)
    expect(await lastChange(store.db)).toBe(changes.length)
  }
  expect(acknowledged.length).toBeGreaterThanOrEqual(587)
})
