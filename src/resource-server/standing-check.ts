import { CountersignError } from '../errors.ts'
import type { TokenClaims } from '../jwt/compact.ts'
import { defaultStaleAfterMs } from '../revocation/feed-client.ts'
import type { Clock } from '../runtime/clock.ts'
import { within } from '../runtime/within.ts'
import type { SignedToken } from './signed-tokens.ts'

/** What of the issuer's revocations is known here; it never throws. A `RevocationFeed` is one. */
export interface Revocations {
  /** Whether it is no older, in this moment, than it may be. */
  fresh(): boolean
  /** What ends a token of these claims that was signed by this key; undefined: nothing that is known. */
  judge(claims: TokenClaims, keyId: string): object | undefined
  /**
   * Calls back once more is known, until the result is called. Where it is not there, what is open is judged ten times a
   * second.
   */
  onFacts?(listener: () => void): () => void
}

/** What is done with a token while nobody can say whether it was revoked. */
export type WhenUnknown = 'deny' | 'allow-until-expiry'

export interface StandingOptions {
  readonly revocations?: Revocations
  /** Whether the issuer says that a token is good now: `introspect` of an `OauthClient`. It has 5 s. */
  readonly introspect?: (token: string) => Promise<boolean>
}

/** Rejects where the token may not be taken. */
export type StandingCheck = (
  token: string,
  signed: SignedToken,
  whenUnknown: WhenUnknown,
) => Promise<void>

/** For so long nobody is asked again who could not say. */
export const unknownPauseMs = 1000
/** Whoever has not said it by then cannot. */
const timeoutMs = 5000

/**
 * Whether a token was revoked. By `revocations` alone while they are fresh; else the issuer is asked, but not for a second
 * after it could not be; else it is denied, unless `whenUnknown` says otherwise. What is known to be revoked is refused in
 * any case. Rejects with `unauthenticated` `token-revoked`, `unavailable` `revocation-unknown`.
 */
export function standingCheck(options: StandingOptions, clock: Clock): StandingCheck {
  const { revocations, introspect } = options
  const asking = new Map<string, { readonly answer: Promise<boolean>; readonly sinceMs: number }>()
  let failedAtMs = Number.NEGATIVE_INFINITY

  /** Once for all who show the token meanwhile; what is on its way for too long may have been said before a revocation. */
  const isActive = (token: string, ask: (token: string) => Promise<boolean>): Promise<boolean> => {
    const sinceMs = clock.monotonicMs()
    const under = asking.get(token)
    if (under !== undefined && sinceMs - under.sinceMs < defaultStaleAfterMs) return under.answer
    const answer = within(clock, timeoutMs, ask(token), late).finally(() => {
      if (asking.get(token)?.answer === answer) asking.delete(token)
    })
    asking.set(token, { answer, sinceMs })
    return answer
  }
  const introspected = async (token: string): Promise<boolean | undefined> => {
    // Not each request waits for an issuer that does not answer.
    if (introspect === undefined || clock.monotonicMs() - failedAtMs < unknownPauseMs)
      return undefined
    try {
      return await isActive(token, introspect)
    } catch {
      failedAtMs = clock.monotonicMs()
      return undefined
    }
  }
  return async (token, signed, whenUnknown) => {
    if (revocations === undefined && introspect === undefined) return
    const refuseKnown = (): void => {
      const known = knownRevocation(revocations, signed)
      if (known !== undefined) throw known
    }
    refuseKnown()
    if (revocations?.fresh() === true) return
    const active = await introspected(token)
    if (active === false) throw revoked()
    // That may have taken seconds, in which the feed has told more than the issuer knew as it was asked.
    refuseKnown()
    if (active === true || whenUnknown === 'allow-until-expiry') return
    throw new CountersignError('unavailable', 'whether the token was revoked is not known now', {
      reason: 'revocation-unknown',
      retryAfterMs: unknownPauseMs,
    })
  }
}

/** That the token was revoked, as far as it is known here without asking. */
export function knownRevocation(
  revocations: Revocations | undefined,
  { claims, keyId }: SignedToken,
): CountersignError | undefined {
  return revocations?.judge(claims, keyId) === undefined ? undefined : revoked()
}

function late(): Error {
  return new Error('the issuer does not answer')
}

function revoked(): CountersignError {
  return new CountersignError('unauthenticated', 'the token was revoked', {
    reason: 'token-revoked',
  })
}
