import { setTimeout as sleep } from 'node:timers/promises'
import type { Service } from './fleet.ts'
import type { Outcome } from './tally.ts'

/** Connections that may be open at once; at a machine's limit the rate falls rather than the queue grows. */
const maxOpen = 64

/** Connects at this rate, every service to every other in turn, until the signal; resolves when the last has ended. */
export async function connectAll(
  services: readonly Service[],
  perSecond: number,
  sinceMs: () => number,
  onOutcome: (outcome: Outcome) => void,
  signal: AbortSignal,
): Promise<void> {
  const open = new Set<Promise<void>>()
  const startedMs = sinceMs()
  let begun = 0
  while (!signal.aborted) {
    const due = ((sinceMs() - startedMs) * perSecond) / 1000
    if (begun >= due) {
      await sleep(5)
      continue
    }
    if (open.size >= maxOpen) await Promise.race(open)
    const [client, server] = pairAt(services, begun++)
    const one = meet(client, server, sinceMs()).then(onOutcome)
    open.add(one)
    void one.then(() => open.delete(one))
  }
  await Promise.all(open)
}

/** What comes of one connection; it never rejects. */
export async function meet(
  client: Service,
  server: Pick<Service, 'id' | 'address' | 'language'>,
  beganMs: number,
): Promise<Outcome> {
  const pair = `${client.language}→${server.language}`
  const outcome = { pair, from: client.id, to: server.id, beganMs }
  try {
    return { ...outcome, result: await client.meet(server.address, server.id) }
  } catch (error) {
    return { ...outcome, result: error instanceof Error ? error : new Error(String(error)) }
  }
}

/** Every ordered pair comes up once in as many turns as there are pairs. */
function pairAt(services: readonly Service[], turn: number): readonly [Service, Service] {
  const count = services.length
  const client = turn % count
  const server = (client + 1 + (Math.floor(turn / count) % (count - 1))) % count
  return [services[client] as Service, services[server] as Service]
}
