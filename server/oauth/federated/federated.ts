import { isDeepStrictEqual } from 'node:util'
import { createListeners } from '../../../src/runtime/listeners.ts'
import type { Log } from '../../../src/runtime/log.ts'
import type { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { type ForeignToken, type KnownIssuer, verifyForeignToken } from './foreign-token.ts'
import { issuerKeys } from './issuer-keys.ts'
import type { ReachDeps } from './reach.ts'
import { type FederatedRule, type Issuable, ruleFor } from './rules.ts'
import type { FederatedIssuer } from './settings.ts'
import { SubjectRefusal } from './subject-refusal.ts'
import { createTokenReview } from './token-review.ts'

/** Who a foreign token speaks for here. */
export interface Federated {
  readonly spiffeId: SpiffeId
  readonly rule: FederatedRule
  readonly token: ForeignToken
  /** As that of the authenticator, of the rule. */
  gives(what: Issuable): boolean
}

export interface FederatedAuthenticator {
  /** Whether this is the `iss` of an issuer that is listed. */
  knows(issuer: unknown): boolean
  /**
   * Resolves with whom a token of another issuer speaks for, by the first rule that fits it of those that are in force
   * then. Whether it was used before is not asked here. Throws as `verifyForeignToken`, `invalid` `subject-rule`, and as `TokenReview`.
   */
  authenticate(subjectToken: string): Promise<Federated>
  /** Whether a rule of this id is in force by now, and gives this. */
  gives(ruleId: string, what: Issuable): boolean
  /** Calls back when other rules have come into force; the result ends that. */
  onChange(listener: () => void): () => void
  /** Puts other issuers and rules in force, all at once. */
  use(issuers: ReadonlyMap<string, FederatedIssuer>): void
}

/** Takes nobody's tokens until it is told whose to. */
export function createFederated(deps: ReachDeps & { readonly log: Log }): FederatedAuthenticator {
  let known: ReadonlyMap<string, KnownIssuer> = new Map()
  let giving: ReadonlyMap<string, ReadonlySet<Issuable>> = new Map()
  const listeners = createListeners()
  const gives = (id: string, what: Issuable): boolean => giving.get(id)?.has(what) === true
  const review = createTokenReview(deps)
  return {
    knows: (issuer) => typeof issuer === 'string' && known.has(issuer),
    async authenticate(subjectToken) {
      for (;;) {
        const judgedBy = known
        const token = await verifyForeignToken(subjectToken, judgedBy, deps.clock.now())
        const rule = ruleFor(token.issuer.rules, token.claims)
        if (rule === undefined) throw new SubjectRefusal('subject-rule', token)
        await review(subjectToken, token)
        // Whoever is not to be believed any more could take seconds to say its keys.
        if (known !== judgedBy) continue
        return { spiffeId: rule.as, rule, token, gives: (what) => gives(rule.id, what) }
      }
    },
    gives,
    onChange: listeners.add,
    use(issuers) {
      known = new Map(
        [...issuers].map(([issuer, settings]): [string, KnownIssuer] => {
          const before = known.get(issuer)
          // What is known of its keys stays known, also while they cannot be fetched.
          const keys =
            before && keepsKeys(before.settings, settings)
              ? before.keys
              : issuerKeys(settings, deps)
          return [issuer, { settings, keys }]
        }),
      )
      const rules = [...issuers.values()].flatMap((issuer) => issuer.rules)
      giving = new Map(rules.map(({ id, issue }) => [id, issue]))
      listeners.tell()
    },
  }
}

function keepsKeys(before: FederatedIssuer, now: FederatedIssuer): boolean {
  return isDeepStrictEqual([before.keys, before.reach], [now.keys, now.reach])
}
