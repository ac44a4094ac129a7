import { z } from 'zod'
import { CountersignError } from '../../../src/errors.ts'
import { parseJsonObject } from '../../../src/jwt/strict-json.ts'
import { createBackoff } from '../../../src/runtime/backoff.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import type { Log } from '../../../src/runtime/log.ts'
import { createOutage } from '../../../src/runtime/outage.ts'
import { exchangeWithin, type ReachDeps } from '../federated/reach.ts'
import { checkCertificates, readSecret } from '../named-file.ts'
import type { Outbox, SignedEvent } from './outbox.ts'
import type { EventStream, PushSettings } from './settings.ts'

/*
 * RFC 8935: events that are sent to their receiver, one a request. All that is of it stands in this file.
 */

export const pushMethod = 'urn:ietf:rfc:8935'

const mediaType = 'application/secevent+jwt'
const accepted = 202
const malformed = 400
const lookMs = 5000

const refusal = z.looseObject({ err: z.string().max(256) })

export interface PushDeps extends ReachDeps {
  readonly outbox: Pick<Outbox, 'lease' | 'release' | 'remove' | 'woken' | 'wait'>
  readonly clock: Clock
  readonly log: Log
}

/**
 * Sends what a stream is to be told, in order, until the signal aborts. What is not taken is sent again, ever more
 * seldom, up to a minute apart; but what the receiver says to be no event (`invalid_request`) is given up.
 */
export async function runPush(
  stream: EventStream,
  push: PushSettings,
  deps: PushDeps,
  signal: AbortSignal,
): Promise<void> {
  const { outbox, clock, log } = deps
  const backoff = createBackoff({ baseMs: 1000, capMs: 60_000 })
  const outage = createOutage({
    ...{ lost: 'events cannot be sent', back: 'events are taken again' },
    ...{ level: 'error', clock, log },
  })
  while (!signal.aborted) {
    const woken = outbox.woken()
    let event: SignedEvent | undefined
    try {
      event = await outbox.lease(stream)
      if (event === undefined) {
        await outbox.wait(lookMs, woken, signal)
        continue
      }
      const err = await send(event, push, deps, signal)
      if (err !== undefined) log.warn('a receiver refuses an event', { stream: stream.id, err })
      await outbox.remove(stream, [event.jti], err !== undefined)
      outage.over({ stream: stream.id })
      backoff.reset()
    } catch (error) {
      // At a stop too: the next start, or another server, sends it first.
      if (event !== undefined) await outbox.release(stream, event.jti).catch(() => {})
      signal.throwIfAborted()
      outage.failed(error, { stream: stream.id })
      await clock.sleep(backoff.next(), signal)
    }
  }
}

/** At the start, so that a slip of the pen does not wait for the first event. Throws as `readSecret`. */
export async function checkPush({ authorizationFile, reach }: PushSettings): Promise<void> {
  if (authorizationFile !== undefined) await readSecret(authorizationFile)
  await checkCertificates(reach.webCa)
}

/** undefined: it was taken (§2.2); else why it never will be (§2.4). Throws where it may be taken another time. */
async function send(
  { token }: SignedEvent,
  { endpoint, authorizationFile, reach }: PushSettings,
  deps: PushDeps,
  signal: AbortSignal,
): Promise<string | undefined> {
  const authorization = authorizationFile && (await readSecret(authorizationFile))
  const post = {
    ...{ body: token, contentType: mediaType, statuses: [accepted, malformed] },
    authorization: authorization === '' ? undefined : authorization,
  }
  const { status, text } = await exchangeWithin(reach, endpoint, deps, { post, signal })
  if (status === accepted) return undefined
  const err = errorIn(text)
  if (err === 'invalid_request') return err
  throw new CountersignError('unavailable', 'the receiver does not take events', {
    reason: 'ssf-refused',
    fix: `find out why it answers ${err}`,
  })
}

/** One of the words of §2.4: nothing else of what a receiver says is in a log. */
function errorIn(text: string): string {
  try {
    const { err } = refusal.parse(parseJsonObject(text).members)
    return words.has(err) ? err : 'with status 400'
  } catch {
    return 'with status 400'
  }
}

const words: ReadonlySet<string> = new Set([
  'invalid_request',
  'invalid_key',
  'invalid_issuer',
  'invalid_audience',
  'authentication_failed',
  'access_denied',
])
