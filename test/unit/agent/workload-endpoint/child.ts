import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const script = fileURLToPath(new URL('client-process.mjs', import.meta.url))
const modules = fileURLToPath(new URL('../../../../node_modules', import.meta.url))
const protos = fileURLToPath(new URL('../../../../proto', import.meta.url))

export interface Child {
  readonly process: ChildProcess
  send(line: string): void
  /** The next line that it says. */
  heard(): Promise<{
    ids?: string[]
    code?: number
    uid?: number
    asked?: number
    pid?: number
    secrets?: string[]
    missing?: string[]
    answers?: Record<string, number>
  }>
  ask(line: string): ReturnType<Child['heard']>
}

/** Why tests with other users' processes cannot run here; undefined where they can. */
export function whyNoOtherUsers(): string | undefined {
  if (process.getuid?.() !== 0) return 'only root can start processes of other users'
  const probe = spawnSync(process.execPath, ['--check', script], {
    uid: 65_534,
    gid: 65_534,
    cwd: '/',
  })
  return probe.status === 0 ? undefined : 'this folder is closed to other users'
}

/** A client as another user (0 for the same one as here). */
export async function startChild(path: string, uid: number, command?: string[]): Promise<Child> {
  const [program = '', ...before] = [...(command ?? []), process.execPath]
  const child = spawn(program, [...before, script, modules, protos, path], {
    ...(process.getuid?.() === 0 ? { uid, gid: uid } : {}),
    cwd: '/',
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const heard: Child['heard'] = async () => {
    const { value, done } = await lines.next()
    if (done) throw new Error('the child has ended')
    return JSON.parse(value)
  }
  const send = (line: string): void => {
    child.stdin.write(`${line}\n`)
  }
  await heard()
  return {
    process: child,
    send,
    heard,
    ask(line) {
      send(line)
      return heard()
    },
  }
}
