import { readJwkSet, readJwtElement } from '../bundle/jwk-set.ts'
import { CountersignError } from '../errors.ts'
import type { Clock } from '../runtime/clock.ts'
import { fetchDocument } from '../runtime/http-get.ts'
import { toldInSpite } from '../runtime/told-in-spite.ts'
import { within } from '../runtime/within.ts'
import { whyUnavailable } from './why-unavailable.ts'

/** Where the issuer's keys are: the URL of its JWK Set, or what fetches that document. */
export type JwksLocation = string | ((signal: AbortSignal) => Promise<string>)

/** Finds the issuer's key of this id, SubjectPublicKeyInfo, DER. */
export type KeyLookup = (keyId: string) => Promise<Buffer | undefined>

const timeoutMs = 5000
const maxBytes = 256 << 10
/** Keys are asked for again after this, and for an id that is not known no more often than that. */
const freshMs = 300_000
const pauseMs = 5000

/**
 * Keeps the keys for five minutes. For an id that it does not know it asks again, once for all who wait, and at most
 * once in 5 s. While nobody answers, the keys of before stay for as long again and no longer, and of no other id it is
 * known whose it is. Throws `unavailable` `jwks-unavailable`; `onTrouble` is told so of each time that they could not
 * be fetched. What was in the way is the message of its `cause` alone: it is for the operator, not for who asks.
 */
export function keysAt(
  location: JwksLocation,
  clock: Clock,
  onTrouble: (error: CountersignError) => void = () => {},
): KeyLookup {
  const fetchKeys = typeof location === 'string' ? fetcherOf(location) : location
  let keys: ReadonlyMap<string, Buffer> = new Map()
  let readAtMs = Number.NEGATIVE_INFINITY
  let askedAtMs = Number.NEGATIVE_INFINITY
  let failure: unknown
  let asking: Promise<void> | undefined

  const ask = async (): Promise<void> => {
    askedAtMs = clock.monotonicMs()
    const stop = new AbortController()
    try {
      const text = await within(clock, timeoutMs, fetchKeys(stop.signal), late)
      keys = keysIn(text)
      readAtMs = clock.monotonicMs()
    } catch (error) {
      failure = error
      toldInSpite(() => onTrouble(unavailable(error)))
    } finally {
      stop.abort()
    }
  }
  const askOnce = (): Promise<void> => {
    asking ??= ask().finally(() => {
      asking = undefined
    })
    return asking
  }
  return async (keyId) => {
    const nowMs = clock.monotonicMs()
    const known = keys.has(keyId) && nowMs - readAtMs <= 2 * freshMs
    const due = nowMs - readAtMs > freshMs || !known
    if (due && (asking !== undefined || nowMs - askedAtMs > pauseMs)) {
      const asked = askOnce()
      if (!known) await asked
    }
    if (clock.monotonicMs() - readAtMs > 2 * freshMs) throw unavailable(failure)
    const key = keys.get(keyId)
    // It may be a new one: whether it is the issuer's, nobody could say.
    if (key === undefined && askedAtMs > readAtMs) throw unavailable(failure)
    return key
  }
}

/** What was in the way, of an error of `keysAt`. */
export function whyOf({ cause }: CountersignError): string {
  return (cause as Error).message
}

function keysIn(text: string): ReadonlyMap<string, Buffer> {
  const found = new Map<string, Buffer>()
  for (const element of elementsIn(text)) {
    // RFC 7517 §4.2: a key of the set may be for something else, such as encryption, and need not say that it is for this.
    const { use = 'sig' } = element
    const key = use === 'sig' ? readJwtElement(element) : undefined
    if (key !== undefined) found.set(key.keyId, key.publicKey)
  }
  return found
}

function elementsIn(text: string): ReturnType<typeof readJwkSet>['keys'] {
  try {
    return readJwkSet(text).keys
  } catch (cause) {
    throw new CountersignError('invalid', 'malformed', { reason: 'jwks-malformed', cause })
  }
}

function fetcherOf(url: string): (signal: AbortSignal) => Promise<string> {
  if (!URL.canParse(url) || new URL(url).protocol !== 'https:') {
    throw new CountersignError('invalid', 'the keys of an issuer are at an https URL', {
      reason: 'jwks-url',
      fix: 'give `jwks` the `jwks_uri` of the issuer, or a function that fetches its document',
    })
  }
  return (signal) => fetchDocument(url, maxBytes, { agent: false, signal })
}

function late(): CountersignError {
  return new CountersignError('deadline', `no answer in ${timeoutMs / 1000} s`, {
    reason: 'jwks-late',
  })
}

function unavailable(cause: unknown): CountersignError {
  return new CountersignError('unavailable', 'the keys of the issuer cannot be fetched', {
    reason: 'jwks-unavailable',
    retryAfterMs: pauseMs,
    cause: new Error(whyUnavailable(cause), { cause }),
  })
}
