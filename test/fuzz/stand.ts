import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

/** Where the server and the agent are, and an agent's identity. Bytes are base64. */
interface StandAddress {
  readonly adminSocket: string
  readonly address: string
  readonly socket: string
  readonly agentId: string
  readonly chain: readonly string[]
  readonly privateKey: string
  readonly csr: string
}

/** What is logged as an error where all the machine is busy, or has stood still, and an answer was late for that alone. */
export function isOfTime(message: string): boolean {
  return message.endsWith('in time')
}

/** What the process says on stdout. */
export type StandLine<At = StandAddress> = At | { readonly failed: string }

export interface FuzzStand<At = StandAddress> extends AsyncDisposable {
  readonly at: At
  readonly pid: number
  descriptors(): number
  /** How long its loop has been at work: what else runs on the machine is not in it. */
  loopMs(): number
  /** Throws what went wrong in there, if anything did. */
  check(): void
}

/** Runs a script that says where it is, once it is up, and what goes wrong. */
export async function openFuzzStand<At extends object = StandAddress>(
  name = 'stand-process.ts',
): Promise<FuzzStand<At>> {
  const script = fileURLToPath(new URL(name, import.meta.url))
  const child = spawn(process.execPath, [script], { stdio: ['pipe', 'pipe', 'pipe'] })
  const up = Promise.withResolvers<At>()
  let failed: string | undefined
  let stderr = ''
  child.stderr.on('data', (chunk) => {
    stderr = (stderr + String(chunk)).slice(-4000)
  })
  const closed = new Promise<void>((resolve) => child.once('close', () => resolve()))
  child.on('close', (code, signal) => {
    failed ??= `${name} ended with ${code ?? signal}: ${stderr}`
    up.reject(new Error(failed))
  })
  createInterface({ input: child.stdout }).on('line', (text) => {
    const line = JSON.parse(text) as StandLine<At>
    if ('failed' in line) failed ??= line.failed
    else up.resolve(line)
  })
  return {
    at: await up.promise,
    pid: child.pid ?? 0,
    descriptors: () => readdirSync(`/proc/${child.pid}/fd`).length,
    loopMs() {
      const schedule = readFileSync(`/proc/${child.pid}/task/${child.pid}/schedstat`, 'utf8')
      return Number(schedule.split(' ')[0]) / 1e6
    },
    check() {
      if (failed !== undefined) throw new Error(failed)
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await closed
    },
  }
}
