import { CountersignError } from '../errors.ts'
import { readPolicy } from './policy.ts'
import type { PolicySet } from './policy-set.ts'

/** Ids of policies that begin so are the product's own. */
export const builtInPrefix = 'countersign.'

/**
 * What holds beside the operator's policies. Who is an operator may stop a thing, and a client its own token, unless a
 * policy forbids it: an emergency is no time to write one.
 */
const always = [
  `@id("countersign.operator-revokes")
permit (principal is Operator, action == Action::"revoke", resource);`,
  `@id("countersign.own-token")
permit (principal is Workload, action == Action::"revoke", resource is Token)
when { resource.client == principal };`,
]

/** What is for one environment is for entries with the same label `env` alone (OWASP NHI8:2025). */
const environmentGuard = `@id("countersign.environment")
forbid (
  principal is Workload,
  action in [Action::"getToken", Action::"callVendor"],
  resource
) when { resource has env && !(principal.hasTag("env") && principal.getTag("env") == resource.env) };`

/** The product's own policies. */
export function builtInPolicies(options: { readonly separateEnvironments: boolean }): PolicySet {
  const texts = options.separateEnvironments ? [...always, environmentGuard] : always
  return new Map(
    texts.map((text) => {
      const policy = readPolicy(text, 'built in')
      if (policy === undefined) {
        throw new CountersignError('internal', 'not a policy', { reason: 'policy-load' })
      }
      return [policy.id, policy]
    }),
  )
}
