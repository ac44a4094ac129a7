// The newcomer's first minute: from the start of the process until `countersign dev` has shown both SVIDs,
// in an empty folder and again where the last one ended.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bounded, median, report, short } from './support/report.ts'

const rounds = short ? 1 : 5
const bin = fileURLToPath(new URL('../src/cli/bin.ts', import.meta.url))

/** Milliseconds from the start of the process until the socket was printed, which comes after the SVIDs. */
async function shownMs(cwd: string): Promise<number> {
  const startedMs = performance.now()
  const child = spawn(process.execPath, [bin, 'dev'], {
    cwd,
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  let text = ''
  for await (const chunk of child.stdout) {
    text += String(chunk)
    if (text.includes('SPIFFE_ENDPOINT_SOCKET=')) break
  }
  const tookMs = performance.now() - startedMs
  if (!text.includes('Your JWT-SVID')) throw new Error(`dev showed no SVIDs: ${text}`)
  child.kill('SIGINT')
  await ended
  return tookMs
}

const first: number[] = []
const again: number[] = []
for (let round = 0; round < rounds; round++) {
  const folder = mkdtempSync(join(tmpdir(), 'bench-dev-'))
  first.push(await shownMs(folder))
  again.push(await shownMs(folder))
  rmSync(folder, { recursive: true, force: true })
}
report('dev-start', {
  first: bounded(median(first), 3000, 'ms', { allMs: first.map(Math.round) }),
  again: bounded(median(again), 3000, 'ms', { allMs: again.map(Math.round) }),
})
