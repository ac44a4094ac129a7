import type { AuditEvent } from '../../../src/audit/event.ts'
import type { Log } from '../../../src/runtime/log.ts'
import type { TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import type { FollowedFile } from '../followed-file.ts'
import type { OauthSettings } from '../settings.ts'
import { createFederated, type FederatedAuthenticator } from './federated.ts'
import { checkFiles, type ReachDeps } from './reach.ts'
import { openRuleFile } from './rule-file.ts'

export interface OpenedFederated {
  /** undefined: no issuer is listed, nor will be. */
  readonly federated: FederatedAuthenticator | undefined
  /** To be run where there is one. */
  readonly rules: FollowedFile | undefined
}

/** Throws as `checkFiles` and `openRuleFile`. */
export async function openFederated(
  settings: Pick<OauthSettings, 'issuer' | 'jwtIssuer' | 'federation' | 'federationFile'>,
  deps: ReachDeps & {
    readonly log: Log
    readonly trustDomain: TrustDomain
    readonly trail: { append(events: readonly AuditEvent[]): Promise<unknown> }
  },
): Promise<OpenedFederated> {
  const { issuer, jwtIssuer, federation, federationFile } = settings
  if (federationFile === undefined && federation.size === 0) {
    return { federated: undefined, rules: undefined }
  }
  const federated = createFederated(deps)
  if (federationFile === undefined) {
    await checkFiles(federation)
    federated.use(federation)
    return { federated, rules: undefined }
  }
  const { trustDomain, trail, clock, log } = deps
  const rules = await openRuleFile(federationFile, {
    ...{ own: { issuer, jwtIssuer, trustDomain }, clock, log },
    use: (issuers) => federated.use(issuers),
    append: (events) => trail.append(events),
  })
  return { federated, rules }
}
