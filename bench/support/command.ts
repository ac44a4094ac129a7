import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Runs the job with the bundle in `dist/`, as an operator has it. */
export async function withBundle(job: () => Promise<void>): Promise<void> {
  const dist = join(root, 'dist')
  const built = existsSync(dist)
  execFileSync(process.execPath, [join(root, 'scripts', 'build.mjs')], { stdio: 'inherit' })
  try {
    await job()
  } finally {
    // The command would run it from then on in place of the source.
    if (!built) rmSync(dist, { recursive: true, force: true })
  }
}

/** Starts the command; it does not outlive this process. Its log, on stderr, is the caller's to read. */
export function startCommand(
  args: readonly string[],
  options: { readonly logLevel: string; readonly nodeOptions?: string },
): ChildProcess {
  const child = spawn(
    process.execPath,
    [join(root, 'bin', 'countersign.mjs'), ...args, '--log-level', options.logLevel],
    {
      stdio: ['ignore', 'ignore', options.logLevel === 'error' ? 'inherit' : 'pipe'],
      env: { ...process.env, NODE_OPTIONS: options.nodeOptions ?? '' },
    },
  )
  const killer = (): void => void child.kill('SIGKILL')
  process.once('exit', killer)
  child.once('close', () => process.off('exit', killer))
  return child
}

/** Resolves once it has ended. */
export async function stopCommand(child: ChildProcess): Promise<void> {
  const ended = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGTERM')
  await ended
}

/** Until it does not throw any more, for at most two minutes. */
export async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  for (let left = 1200; ; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (left === 0) throw error
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
  }
}
