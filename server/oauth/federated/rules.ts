import { hash } from 'node:crypto'
import { nearest } from '../../../src/runtime/suggest.ts'
import type { SpiffeId } from '../../../src/spiffe-id/spiffe-id.ts'
import { claimText, type IssuerKind, vocabularies } from './claims.ts'

/** What a token of an issuer may be exchanged for. */
export const issuable = ['access_token', 'jwt_svid', 'x509_svid'] as const
export type Issuable = (typeof issuable)[number]

/** Who holds a token with just these claims is the workload with this ID. */
export interface FederatedRule {
  /** The same for as long as it says the same of the same issuer. */
  readonly id: string
  readonly match: ReadonlyMap<string, string>
  readonly as: SpiffeId
  readonly issue: ReadonlySet<Issuable>
}

/** SHA-256, base64url, of whose tokens it is about, which of them, and who they are. */
export function ruleId(issuer: string, { match, as }: Pick<FederatedRule, 'match' | 'as'>): string {
  return hash('sha256', JSON.stringify([issuer, [...match], as]), 'base64url')
}

/** The first rule, in the order of the file, all of whose claims the token has; values are compared whole. */
export function ruleFor(
  rules: readonly FederatedRule[],
  claims: Readonly<Record<string, unknown>>,
): FederatedRule | undefined {
  return rules.find(({ match }) =>
    [...match].every(([name, value]) => claimText(claims, name) === value),
  )
}

/** Whose subjects look so, whatever the issuer is called: GitHub and GitLab are run by others too. */
function kindOfSubject(sub: string): IssuerKind | undefined {
  const prefixes: readonly (readonly [string, IssuerKind])[] = [
    ['repo:', 'github'],
    ['project_path:', 'gitlab'],
    ['system:serviceaccount:', 'kubernetes'],
  ]
  return prefixes.find(([prefix]) => sub.startsWith(prefix))?.[1]
}

/** What is wrong with the claims that a rule names, and what to write; undefined where they are sound. */
export function problemOfMatch(
  kind: IssuerKind,
  match: ReadonlyMap<string, string>,
): { readonly message: string; readonly fix: string } | undefined {
  const { identity, narrowing, mutable } = vocabularies[kind]
  for (const [name, value] of match) {
    const instead = mutable.get(name)
    if (instead !== undefined) {
      return {
        message: `${name} may come to be somebody else's, or is chosen by whoever starts the job`,
        fix: `match ${instead}`,
      }
    }
    if (!identity.has(name) && !narrowing.has(name)) {
      const known = [...identity, ...narrowing]
      const meant = nearest(name, known)
      return {
        message: `a rule for ${kind} cannot match ${name}`,
        fix: meant === undefined ? `match one of ${known.join(', ')}` : `did you mean ${meant}?`,
      }
    }
    if (/[*?]/.test(value)) {
      return {
        message: `the value of ${name} has a wildcard, and values are compared whole`,
        fix: 'write the value out; for several values write several rules',
      }
    }
  }
  const kindOfSub = kind === 'oidc' ? kindOfSubject(match.get('sub') ?? '') : undefined
  if (kindOfSub !== undefined) {
    return {
      message: `this sub is one of ${kindOfSub}, and holds names that may come to be somebody else's`,
      fix: `write kind: ${kindOfSub}`,
    }
  }
  if ([...identity].some((name) => match.has(name))) return undefined
  return {
    message: 'the rule names nothing that is given once and stays',
    fix: `match ${[...identity].join(' or ')}, and beside it what else you like`,
  }
}
