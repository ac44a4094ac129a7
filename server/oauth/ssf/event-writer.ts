import { randomUUID } from 'node:crypto'
import type { NumberedFact } from '../../../src/revocation/fact.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import type { TellFacts } from '../../revocation/write-facts.ts'
import { addOutboxEvents } from '../../store/event-outbox.ts'
import { type CaepEvent, eventsOfFact, eventType, type SubjectId } from './caep.ts'
import type { EventStream } from './settings.ts'

/** What is kept of an event until it is told: what its token says, but who says it to whom. */
export interface EventBody {
  /** Of the event in the feed, `LOG.NUMBER`: common to all that is told of one fact. */
  readonly txn?: string
  readonly sub_id: SubjectId
  readonly events: Readonly<Record<string, unknown>>
}

/**
 * Puts what streams are to be told of facts into their outbox, in the transaction that writes the facts; undefined where
 * there are no streams.
 */
export function eventWriter(deps: {
  readonly issuer?: string
  readonly streams?: ReadonlyMap<string, EventStream>
  readonly logId: string
  readonly clock: Pick<Clock, 'now'>
}): TellFacts | undefined {
  const { issuer, streams, logId, clock } = deps
  if (issuer === undefined || streams === undefined || streams.size === 0) return undefined
  return async (tx, facts) => {
    const createdAt = clock.now()
    const at = Math.floor(createdAt.getTime() / 1000)
    const events = facts.flatMap((fact) => {
      const told = eventsOfFact(fact, { issuer, at })
      return [...streams.values()].flatMap((stream) =>
        told
          .filter((event) => isFor(stream, fact, event))
          .map((event) => ({
            ...{ stream: stream.id, jti: randomUUID(), createdAt },
            body: JSON.stringify(bodyOf(event, `${logId}.${fact.number}`)),
          })),
      )
    })
    await addOutboxEvents(tx, events)
  }
}

function bodyOf({ name, subject, event }: CaepEvent, txn: string): EventBody {
  return { txn, sub_id: subject, events: { [eventType(name)]: event } }
}

/** Whoever is told of some subjects alone is told of no others, not even by a name that says nothing. */
function isFor(
  { events, subjects }: EventStream,
  { kind, id }: NumberedFact,
  { name }: CaepEvent,
): boolean {
  if (!events.has(name)) return false
  if (subjects === undefined || kind === 'key' || kind === 'trust-domain') return true
  if (kind !== 'spiffe-id' && kind !== 'node') return false
  return subjects.some((one) => (one.endsWith('/*') ? id.startsWith(one.slice(0, -1)) : id === one))
}
