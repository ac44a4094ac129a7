import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

/** Where the sources of this folder are, and what is built of them (ignored by git). */
export const sources: string = fileURLToPath(new URL('.', import.meta.url))

/** The folder for what one language builds, made where it is missing. */
export function buildFolder(name: string): string {
  const folder = join(sources, '.build', name)
  mkdirSync(folder, { recursive: true })
  return folder
}

/** Runs a tool to its end and gives what it printed. Throws, with the end of its words, where it fails. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const child = spawn(command, args, {
    cwd: options.cwd ?? sources,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text = (text + String(chunk)).slice(-8000)
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed with ${code}:\n${text}`)
  return text
}

/** The same of a tool that fetches what it needs: a registry may be out of reach for a moment, so it has four tries. */
export async function runFetching(...call: Parameters<typeof runTool>): Promise<string> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await runTool(...call)
    } catch (error) {
      if (tries === 4) throw error
      const pauseSeconds = 10 * tries
      process.stderr.write(`interop: ${error}\ninterop: tried again in ${pauseSeconds} s\n`)
      await sleep(pauseSeconds * 1000)
    }
  }
}
