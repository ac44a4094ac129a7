import { setTimeout as sleep } from 'node:timers/promises'
import { idOf, type Stand } from '../interop/stand.ts'
import { activeAuthority, change, prepare } from './authority.ts'
import { register } from './entries.ts'
import type { Service } from './fleet.ts'
import { meet } from './load.ts'
import { type Stuck, startStuck } from './stuck.ts'
import type { Tally } from './tally.ts'

/** How long after the revocation a service may still show what it revoked, though all have shown another before. */
export const graceSeconds = 5
/** Between one step and the next. */
const pauseSeconds = 5
/** What the steps take until the revoke at the most, with waiting, on a busy machine. */
const untilRevokeSeconds = 150
/** How long something may take that takes a moment: what takes longer hangs. */
const patienceMs = 60_000

export interface StepsOptions {
  readonly stand: Stand
  readonly services: readonly Service[]
  readonly tally: Tally
  readonly sinceMs: () => number
  readonly caSeconds: number
  /** How long to look on after the revocation. */
  readonly afterSeconds: number
  readonly say: (words: string) => void
}

/**
 * Prepare, activate, taint and revoke under the load. One service keeps what it had before: everyone
 * meets it while that is good, and refuses it once it is revoked.
 */
export async function changeAuthority(options: StepsOptions): Promise<void> {
  const { stand, tally, sinceMs, afterSeconds, say } = options
  const old = await longLivedAuthority(options)
  const next = await prepare(stand)
  say(`prepared ${next}`)
  await register(stand, [idOf('stuck')], process.execPath, afterSeconds + 2 * untilRevokeSeconds)
  const stuck = await startStuck(idOf('stuck'), stand.socket)
  try {
    if (stuck.authority !== old) throw new Error(`the stuck one shows ${stuck.authority}`)
    await sleep(pauseSeconds * 1000)
    await change(stand, 'activate', next)
    say(`activated ${next}`)
    await sleep(pauseSeconds * 1000)
    await change(stand, 'taint', old)
    say(`tainted ${old}`)
    await untilAllShow(next, options)
    say('everyone shows the new one')
    await meetAll(stuck, options)
    await sleep(pauseSeconds * 1000)
    await change(stand, 'revoke', old)
    const revokedMs = sinceMs()
    tally.revoke(old, revokedMs)
    say(`revoked ${old}`)
    await untilAllRefuse(stuck, options)
    say('everyone refuses what it signed')
    do {
      await meetAll(stuck, options)
      await sleep(1000)
    } while (sinceMs() < revokedMs + afterSeconds * 1000)
    if (stuck.expiresAt.getTime() < Date.now())
      throw new Error('what the stuck one shows has ended')
  } finally {
    await stuck.close()
  }
}

/** The active authority, once it has so much of its life before it that no rotation of its own comes between the steps. */
async function longLivedAuthority({ stand, caSeconds, say }: StepsOptions): Promise<string> {
  const neededMs = (caSeconds / 6 + untilRevokeSeconds) * 1000
  for (;;) {
    const { id, expiresAt } = await activeAuthority(stand)
    if (expiresAt.getTime() - Date.now() > neededMs) return id
    say(`${id} is about to be replaced: waiting for its successor`)
    await sleep(5000)
  }
}

async function untilAllShow(authority: string, { services, tally }: StepsOptions): Promise<void> {
  const behind = (): readonly string[] =>
    services.map(({ id }) => id).filter((id) => tally.shows.get(id) !== authority)
  for (let waited = 0; behind().length > 0; waited += 100) {
    if (waited > patienceMs) throw new Error(`these show what was tainted: ${behind()}`)
    await sleep(100)
  }
}

/** From then on nobody may let it in. */
async function untilAllRefuse(stuck: Stuck, { services, sinceMs }: StepsOptions): Promise<void> {
  const endMs = sinceMs() + patienceMs
  const untilRefused = async (from: Service, to: Service): Promise<void> => {
    while (!((await meet(from, to, sinceMs())).result instanceof Error)) {
      if (sinceMs() > endMs) throw new Error(`${from.id} and ${to.id} go on with what was revoked`)
      await sleep(20)
    }
  }
  await Promise.all(
    services.flatMap((service) => [untilRefused(stuck, service), untilRefused(service, stuck)]),
  )
}

/** Once in each direction with each service. */
async function meetAll(stuck: Stuck, { services, tally, sinceMs }: StepsOptions): Promise<void> {
  for (const service of services) {
    const both = [meet(stuck, service, sinceMs()), meet(service, stuck, sinceMs())]
    for (const outcome of await Promise.all(both)) tally.addStuck(outcome)
  }
}
