/** Ids of policies that begin so are the product's own. */
export const builtInPrefix = 'countersign.'

/**
 * What holds beside the operator's policies, by `@id`. Who is an operator may stop a thing, and a client its own
 * token, unless a policy forbids it: an emergency is no time to write one.
 */
export const builtInPolicies: Readonly<Record<string, string>> = {
  'countersign.operator-revokes':
    'permit (principal is Operator, action == Action::"revoke", resource);',
  'countersign.own-token': `
    permit (principal is Workload, action == Action::"revoke", resource is Token)
    when { resource.client == principal };`,
}

/** What is for one environment is for entries with the same label `env` alone (OWASP NHI8:2025). */
export const environmentGuard: Readonly<Record<string, string>> = {
  'countersign.environment': `
    forbid (
      principal is Workload,
      action in [Action::"getToken", Action::"callVendor"],
      resource
    ) when {
      resource has env && !(principal.hasTag("env") && principal.getTag("env") == resource.env)
    };`,
}
