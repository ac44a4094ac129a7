import { randomInt } from 'node:crypto'
import { createServer } from 'node:net'

/**
 * The system itself gives ports from 32,768 on to whoever asks for any: one from there that is free now may be
 * somebody's before it is used. Below, each worker of a run has every 16th, from where chance begins.
 */
const STEP = 16
const last = 32_767 - STEP
let next = 10_240 + STEP * randomInt(1000) + (Number(process.env['VITEST_POOL_ID'] ?? 0) % STEP)

/** A port of the loopback that nobody listens on, nor gets without asking for it. */
export async function freePort(): Promise<number> {
  while (next <= last) {
    const port = next
    next += STEP
    if (await isFree(port)) return port
  }
  throw new Error('no port is free')
}

function isFree(port: number): Promise<boolean> {
  const probe = createServer()
  return new Promise((resolve) => {
    probe.once('error', () => resolve(false))
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)))
  })
}
