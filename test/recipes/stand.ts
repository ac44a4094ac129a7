import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { every } from '../../src/runtime/clock.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { FakeWorkloadApi } from '../../src/testing/fake-workload-api.ts'
import { start } from '../support/command.ts'

export const seconds: number = Number(process.env['RECIPE_SECONDS'] ?? '10')
/** How much longer a machine that has much to do may take for the same. */
const graceMs = 90_000
/** Of so many SVIDs, one a second, the other side has to show most: a reload may take two of them at once. */
export const leastChanges: number = seconds * 0.7
/** An SVID that was not replaced has long expired before a run ends. */
const ttlSeconds = 8

/** A Workload API, and processes that end with the test. */
export interface Stand extends AsyncDisposable {
  readonly folder: string
  readonly api: FakeWorkloadApi
  /** Our own command, until the end of the test; resolves when the condition holds. */
  command(args: readonly string[], ready: () => boolean): Promise<void>
  /** The command as a line of the page has it; resolves when there are files. */
  files(args: readonly string[]): Promise<void>
  /** Runs a program until the end of the test; resolves when the condition holds. */
  program(
    command: string,
    args: readonly string[],
    ready: () => boolean,
    uid?: number,
  ): Promise<void>
  /**
   * Works for the time that is set, and on until `enough` has been done and SVIDs have changed as often as they do in
   * that time. Says how often they have.
   */
  during(work: (over: (enough: boolean) => boolean) => Promise<void>): Promise<number>
}

export async function startStand(): Promise<Stand> {
  const folder = mkdtempSync(join(tmpdir(), 'recipe-'))
  // A program that gives its rights away has to get to its files.
  chmodSync(folder, 0o711)
  const api = await FakeWorkloadApi.start()
  await api.grant('spiffe://example.org/web', { ttlSeconds, dnsNames: ['localhost'] })
  let rotations = 0
  const stopRotating = every(1000, () => {
    rotations += 1
    void api.rotate()
  })
  const running: ChildProcess[] = []
  const said: string[] = []
  const keep = (child: ChildProcess): void => {
    running.push(child)
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => said.push(String(chunk)))
    }
  }
  const until = async (ready: () => boolean): Promise<void> => {
    await eventually(ready, 60_000).catch((error) => {
      throw new Error(`${error.message}\n${said.join('')}`)
    })
  }
  const command: Stand['command'] = async (args, ready) => {
    keep(start(args, { env: { SPIFFE_ENDPOINT_SOCKET: api.endpoint } }))
    await until(ready)
  }
  return {
    folder,
    api,
    command,
    async files(args) {
      const dir = args[args.indexOf('--dir') + 1] ?? ''
      await command(args, () => existsSync(join(dir, 'combined.pem')))
    },
    async program(command, args, ready, uid) {
      keep(
        spawn(command, args, {
          stdio: ['ignore', 'pipe', 'pipe'],
          cwd: folder,
          ...(uid !== undefined && { uid, gid: uid }),
        }),
      )
      await until(ready)
    },
    async during(work) {
      const [before, begunMs] = [rotations, performance.now()]
      await work((enough) => {
        const leftMs = begunMs + seconds * 1000 - performance.now()
        const done = enough && rotations - before > leastChanges
        return leftMs <= (done ? 0 : -graceMs)
      })
      return rotations - before
    },
    async [Symbol.asyncDispose]() {
      for (const child of running.reverse()) {
        if (child.exitCode !== null || child.signalCode !== null) continue
        const ended = once(child, 'exit')
        child.kill('SIGINT')
        await ended
      }
      stopRotating()
      await api.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** Whether it is here. Says aloud that it is not; in CI that is a failure. */
export function lacks(...programs: readonly string[]): boolean {
  const missing = programs.filter(
    (program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0,
  )
  if (missing.length === 0) return false
  if (process.env['CI'] !== undefined) throw new Error(`missing: ${missing.join(' ')}`)
  process.stderr.write(`left out, since this machine has no ${missing.join(', ')}\n`)
  return true
}
