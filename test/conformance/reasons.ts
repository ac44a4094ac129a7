/** Why a rule has no test, by the name that stands behind it in rules.txt. */
export const reasons: Readonly<Record<string, string>> = {
  advice: 'Advice to those who deploy and call; nothing here decides it.',
  broker: 'Incubating: there is no broker endpoint, and its API is UNIMPLEMENTED (WLE-18).',
  'no-redirect': 'The bundle endpoint never redirects.',
  redirect: 'Redirects are refused: where one leads is not the operator’s word (docs/security.md).',
  incubating:
    'Incubating: WIT-SVIDs are neither issued nor read; the calls are UNIMPLEMENTED (WLA-60).',
  map: 'Maps of bundles are neither written nor read.',
}
