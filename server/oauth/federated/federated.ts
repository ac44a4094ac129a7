import type { Log } from '../../../src/runtime/log.ts'
import type { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { type ForeignToken, type KnownIssuer, verifyForeignToken } from './foreign-token.ts'
import { issuerKeys } from './issuer-keys.ts'
import { checkFiles, type ReachDeps } from './reach.ts'
import { type FederatedRule, ruleFor } from './rules.ts'
import type { FederatedIssuer } from './settings.ts'
import { SubjectRefusal } from './subject-refusal.ts'
import { createTokenReview } from './token-review.ts'

/** Who a foreign token speaks for here. */
export interface Federated {
  readonly spiffeId: SpiffeId
  readonly rule: FederatedRule
  readonly token: ForeignToken
}

export interface FederatedAuthenticator {
  /** Whether this is the `iss` of an issuer that is listed. */
  knows(issuer: unknown): boolean
  /**
   * Resolves with whom a token of another issuer speaks for, by the first rule that fits it. Whether it was used
   * before is not asked here. Throws as `verifyForeignToken`, `invalid` `subject-rule`, and as `TokenReview`.
   */
  authenticate(subjectToken: string): Promise<Federated>
}

/** Throws `unavailable` `federated-file` where a file that the settings name cannot be read, or is not what it should be. */
export async function createFederated(
  issuers: ReadonlyMap<string, FederatedIssuer>,
  deps: ReachDeps & { readonly log: Log },
): Promise<FederatedAuthenticator> {
  for (const settings of issuers.values()) await checkFiles(settings)
  const known = new Map(
    [...issuers].map(([issuer, settings]): [string, KnownIssuer] => [
      issuer,
      { settings, keys: issuerKeys(settings, deps) },
    ]),
  )
  const review = createTokenReview(deps)
  return {
    knows: (issuer) => typeof issuer === 'string' && known.has(issuer),
    async authenticate(subjectToken) {
      const token = await verifyForeignToken(subjectToken, known, deps.clock.now())
      const rule = ruleFor(token.issuer.rules, token.claims)
      if (rule === undefined) throw new SubjectRefusal('subject-rule', token)
      await review(subjectToken, token)
      return { spiffeId: rule.as, rule, token }
    },
  }
}
