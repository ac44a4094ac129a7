import type { AuditEvent } from '../../../src/audit/event.ts'
import type { CountersignError } from '../../../src/errors.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import type { Credentials, HeldCredential } from './credentials.ts'

/**
 * Takes these secrets for use, once it is on record which of them were not in use before. All or none. Rejects as
 * `Credentials.admit` and `append`.
 */
export async function takeKeys(
  held: readonly HeldCredential[],
  deps: {
    readonly credentials: Credentials
    readonly append: (events: readonly AuditEvent[]) => Promise<unknown>
    readonly clock: Clock
  },
): Promise<void> {
  const { credentials, append, clock } = deps
  const events = credentials.newAmong(held).map(
    ({ integration, since, replaces }): AuditEvent => ({
      ...eventOf(integration, clock.now()),
      ...{ kind: 'broker.key.taken', decision: 'allow' },
      details: { integration: integration.id, since: since.toISOString(), replaces },
    }),
  )
  if (events.length > 0) {
    // What cannot be taken is tried again and again, and is not on record as taken each time.
    credentials.checkWritable()
    await append(events)
  }
  credentials.admit(held)
}

/** What was found in the place of a key cannot be used, and the key stays what it was. */
export function refusedKeyEvent(
  integration: HeldCredential['integration'],
  { reason }: CountersignError,
  now: Date,
): AuditEvent {
  return {
    ...eventOf(integration, now),
    ...{ kind: 'broker.key.refused', decision: 'deny', reason },
    details: { integration: integration.id },
  }
}

function eventOf({ audience, owner }: HeldCredential['integration'], time: Date) {
  return { time, actor: { kind: 'server' as const }, audience: [audience], resourceOwner: owner }
}
