// npm run fuzz -- --seconds N [--seed S] [NAME…]: throws inputs at what faces strangers. Two targets at a
// time, each in a process of its own; a failure names the seed and the input.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { http1 } from './http1.ts'
import { http2 } from './http2.ts'
import { fuzz } from './loop.ts'
import { parsers } from './parsers.ts'
import { requests } from './requests.ts'
import type { Target } from './target.ts'
import { tokenService } from './token-service.ts'

const targets: readonly Target[] = [...parsers, requests, http2, http1, tokenService]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '10' },
    seed: { type: 'string' },
    here: { type: 'boolean', default: false },
  },
})
const seconds = Number(values.seconds)
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const named = positionals.length === 0 ? targets.map(({ name }) => name) : positionals
const unknown = named.filter((name) => targets.every((target) => target.name !== name))
if (unknown.length > 0 || !(seconds > 0) || !Number.isSafeInteger(seed)) {
  const known = targets.map(({ name }) => name).join(' ')
  process.stderr.write(`fuzz: --seconds N [--seed S] [NAME…], of: ${known}\n`)
  process.exit(64)
}

if (values.here) await runHere(targets.find(({ name }) => name === named[0]) as Target)
else process.exitCode = (await runAll()).every((code) => code === 0) ? 0 : 1

async function runHere(target: Target): Promise<void> {
  const say = (words: string): boolean => process.stdout.write(`fuzz: ${target.name}: ${words}\n`)
  try {
    const { inputs, accepted, slowestMs } = await fuzz(target, { seconds }, seed)
    const share = Math.round((100 * accepted) / Math.max(1, inputs))
    say(
      `${inputs} inputs, ${share} % accepted, the slowest ${slowestMs.toFixed(1)} ms; seed ${seed}`,
    )
    process.exit(0)
  } catch (error) {
    say(`FAILED; again with: npm run fuzz -- --seconds ${seconds} --seed ${seed} ${target.name}`)
    process.stdout.write(`${error instanceof Error ? error.message : String(error)}\n`)
    if (error instanceof Error && error.cause !== undefined) {
      const { cause } = error
      process.stdout.write(`${cause instanceof Error ? cause.stack : String(cause)}\n`)
    }
    process.exit(1)
  }
}

/** Two beside each other. */
async function runAll(): Promise<readonly number[]> {
  const waiting = [...named]
  const codes: number[] = []
  const lane = async (number: number): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      codes.push(await runAlone(name, number))
    }
  }
  await Promise.all([lane(0), lane(1)])
  return codes
}

function runAlone(name: string, lane: number): Promise<number> {
  const args = [fileURLToPath(import.meta.url), '--here', '--seconds', String(seconds)]
  const child = spawn(process.execPath, [...args, '--seed', String(seed), name], {
    stdio: 'inherit',
    // As vitest tells its workers: by that they take ports that the other lane does not.
    env: { ...process.env, VITEST_POOL_ID: String(lane) },
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 1))
  })
}
