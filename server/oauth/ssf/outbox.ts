import type { AuditEvent } from '../../../src/audit/event.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import { sleepUnlessWoken } from '../../../src/runtime/clock.ts'
import type { Log } from '../../../src/runtime/log.ts'
import { timeAtLeast } from '../../../src/runtime/time-at-least.ts'
import type { Ca } from '../../ca/ca.ts'
import type { Changes } from '../../changes/changes.ts'
import {
  addOutboxEvents,
  countOutbox,
  leaseOutboxEvent,
  type OutboxEvent,
  outboxEvents,
  pruneOutbox,
  releaseOutboxEvent,
  removeOutboxEvents,
} from '../../store/event-outbox.ts'
import type { Store } from '../../store/store.ts'
import type { EventStream } from './settings.ts'

/** A token that is to be told (RFC 8417), signed. */
export interface SignedEvent {
  readonly jti: string
  readonly token: string
}

/** What streams are to be told, kept until their receivers have it. */
export interface Outbox {
  /** The oldest, at most `limit`, and whether there are more. The same again until they are removed. */
  read(
    stream: EventStream,
    limit: number,
  ): Promise<{ readonly events: readonly SignedEvent[]; readonly more: boolean }>
  /** The oldest that no server is about to send, for this one alone for a while. */
  lease(stream: EventStream): Promise<SignedEvent | undefined>
  release(stream: EventStream, jti: string): Promise<void>
  /** Its receiver has them, or refuses them: that is said. */
  remove(stream: EventStream, jtis: readonly string[], refused?: boolean): Promise<void>
  add(event: OutboxEvent): Promise<void>
  /** Aborts when there may be more than a moment ago; has aborted where the server stops. */
  woken(): AbortSignal
  /** Resolves then, or after `ms`; rejects where `signal` aborts. */
  wait(ms: number, woken: AbortSignal, signal: AbortSignal): Promise<void>
  /** Drops what is too old, and wakes whoever waits, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>
}

export interface OutboxDeps {
  readonly issuer: string
  readonly streams: ReadonlyMap<string, EventStream>
  readonly ca: Pick<Ca, 'signEvent'>
  readonly store: Pick<Store, 'db' | 'write'>
  readonly changes: Pick<Changes, 'subscribe'>
  readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
  readonly observeEvents: (
    stream: string,
    outcome: 'delivered' | 'refused' | 'dropped',
    count: number,
  ) => void
  readonly observeWaiting: (stream: string, count: number) => void
  readonly clock: Clock
  readonly log: Log
}

/** More than this a receiver is not waited for. */
const keepMs = 86_400_000
const maxWaiting = 50_000
const leaseMs = 30_000
const pruneMs = 10_000

export function createOutbox(deps: OutboxDeps): Outbox {
  const { issuer, streams, ca, store, changes, observeEvents, clock } = deps
  let waking = new AbortController()
  let stopped = false
  const wake = (): void => {
    const before = waking
    if (!stopped) waking = new AbortController()
    before.abort()
  }
  const sign = async (stream: EventStream, event: OutboxEvent): Promise<SignedEvent> => {
    const { jti, body, createdAt } = event
    // RFC 8417 §2.2; SSF 1.0 §4.1: neither `sub` nor `exp`.
    const token = await ca.signEvent({
      ...{ iss: issuer, jti, iat: Math.floor(createdAt.getTime() / 1000), aud: stream.audience },
      ...(JSON.parse(body) as Record<string, unknown>),
    })
    return { jti, token }
  }
  return {
    async read(stream, limit) {
      const events = await outboxEvents(store.db, stream.id, limit + 1)
      const told = events.slice(0, limit)
      return {
        events: await Promise.all(told.map((event) => sign(stream, event))),
        more: events.length > limit,
      }
    },
    async lease(stream) {
      const now = clock.now()
      const until = new Date(now.getTime() + leaseMs)
      const event = await store.write((tx) => leaseOutboxEvent(tx, stream.id, now, until))
      return event && sign(stream, event)
    },
    release: ({ id }, jti) => store.write((tx) => releaseOutboxEvent(tx, id, jti)),
    async remove({ id }, jtis, refused = false) {
      if (jtis.length === 0) return
      const count = await store.write((tx) => removeOutboxEvents(tx, id, jtis))
      if (count === 0) return
      observeEvents(id, refused ? 'refused' : 'delivered', count)
      if (refused) await tellDropped(id, count, 'receiver-refused', deps)
    },
    async add(event) {
      await store.write((tx) => addOutboxEvents(tx, [event]))
      wake()
    },
    woken: () => waking.signal,
    wait: (ms, woken, signal) => sleepUnlessWoken(clock, ms, woken, signal),
    async run(signal) {
      const stopListening = changes.subscribe(({ facts }) => {
        if (facts.length > 0) wake()
      })
      try {
        await prune(deps, streams, signal)
      } finally {
        stopListening()
        stopped = true
        wake()
      }
    },
  }
}

async function prune(
  deps: OutboxDeps,
  streams: OutboxDeps['streams'],
  signal: AbortSignal,
): Promise<void> {
  const { store, observeEvents, observeWaiting, clock, log } = deps
  const time = timeAtLeast(clock)
  while (!signal.aborted) {
    try {
      const before = new Date(time().getTime() - keepMs)
      const dropped = await store.write((tx) => pruneOutbox(tx, before, maxWaiting))
      for (const [stream, count] of dropped) {
        observeEvents(stream, 'dropped', count)
        await tellDropped(stream, count, 'not-fetched', deps)
      }
      const waiting = await countOutbox(store.db)
      for (const id of streams.keys()) observeWaiting(id, waiting.get(id) ?? 0)
    } catch (error) {
      log.warn('what outsiders did not fetch could not be dropped', { error })
    }
    await clock.sleep(pruneMs, signal)
  }
}

async function tellDropped(
  stream: string,
  count: number,
  reason: 'not-fetched' | 'receiver-refused',
  { append, clock, log }: OutboxDeps,
): Promise<void> {
  log.error('a receiver of events was not told what was revoked', { stream, count, reason })
  const event: AuditEvent = {
    ...{ kind: 'event.dropped', time: clock.now(), actor: { kind: 'server' } },
    ...{ decision: 'deny', reason, details: { stream, count } },
  }
  // The log has it.
  await append([event]).catch((error: unknown) => log.error('a loss is not on record', { error }))
}
