// npm run soak -- --minutes N [--rate N]: 20 services in three languages connect to each other while their
// authority is replaced, tainted and revoked. Prints a report as JSON; ends with 1 where somebody was refused
// who should not be, or let in who should not be.
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { openStand, type Stand } from '../interop/stand.ts'
import { register } from './entries.ts'
import { type Fleet, startFleet } from './fleet.ts'
import { connectAll } from './load.ts'
import { buildPrograms } from './programs.ts'
import { changeAuthority, graceSeconds } from './steps.ts'
import { isClean, Tally } from './tally.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '15' },
    rate: { type: 'string', default: '200' },
  },
})
const minutes = Number(values.minutes)
const rate = Number(values.rate)
if (!(minutes >= 1) || !(rate > 0)) {
  process.stderr.write('soak: --minutes N (1 or more) [--rate CONNECTIONS_A_SECOND]\n')
  process.exit(64)
}

// A short run has shorter lives, so that in it everybody renews several times too. Authorities live longer than that:
// on a busy machine the steps take their time, and no rotation of its own comes between them.
const svidSeconds = Math.min(60, Math.round(40 * minutes))
const caSeconds = 600
/** After the revocation everybody renews once more, by the new authority alone. */
const afterSeconds = graceSeconds + Math.round(0.6 * svidSeconds)
const stepsSeconds = 20

const sinceMs = (): number => performance.now()
const say = (words: string): void =>
  void process.stderr.write(`soak: ${Math.round(sinceMs() / 1000)} s: ${words}\n`)

const stopped = Promise.withResolvers<never>()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stopped.reject(new Error(`stopped by ${signal}`)))
}

const lacks: string[] = []
const programs = await buildPrograms((language, why) => {
  lacks.push(language)
  say(`NOT RUN: ${language}, since ${why}`)
})
if (lacks.length > 0 && process.env['CI'] === 'true') {
  throw new Error(`in CI everything runs, but this machine lacks ${lacks}`)
}
const stand = await openStand({
  server: ['ca:', `  ttl: ${caSeconds}s`, `x509_svid_ttl: ${svidSeconds}s`],
})
let clean = false
try {
  for (const { ids, executable } of programs) await register(stand, ids, executable)
  const fleet = await startFleet(programs, stand.socket)
  try {
    clean = await soak(stand, fleet)
  } finally {
    await fleet.close()
  }
} finally {
  if (!clean)
    process.stderr.write(`soak: what server and agent said last:\n${stand.log().slice(-4000)}`)
  await stand.close()
}
process.exitCode = clean ? 0 : 1

async function soak(stand: Stand, { services, refusals }: Fleet): Promise<boolean> {
  say(`${services.length} services; SVIDs of ${svidSeconds} s, authorities of ${caSeconds} s`)
  const tally = new Tally(graceSeconds * 1000)
  const enough = new AbortController()
  const startedMs = sinceMs()
  const load = connectAll(services, rate, sinceMs, (one) => tally.add(one), enough.signal)
  try {
    const change = async (): Promise<void> => {
      await sleep(Math.max(0, minutes * 60 - stepsSeconds - afterSeconds) * 1000)
      await changeAuthority({ stand, services, tally, sinceMs, caSeconds, afterSeconds, say })
    }
    await Promise.race([change(), stopped.promise])
  } finally {
    enough.abort()
    await load
    const report = tally.report(sinceMs() - startedMs)
    process.stdout.write(`${JSON.stringify(report)}\n`)
    for (const failure of tally.failures) process.stderr.write(`soak: ${failure}\n`)
    for (const [reason, count] of refusals) say(`refused ${count} times by ${reason}`)
  }
  return isClean(tally.report(sinceMs() - startedMs))
}
