import { CountersignError } from '../../src/errors.ts'
import type { Caller, CallerKind } from './caller.ts'

/** Who may call an RPC. `any` needs no identity at all; each other word is a kind of caller. */
type Right = 'any' | CallerKind

const operators = ['admin', 'local'] as const satisfies readonly Right[]
const agentService = '/spire.api.server.agent.v1.Agent/'
const bundleService = '/spire.api.server.bundle.v1.Bundle/'
const entryService = '/spire.api.server.entry.v1.Entry/'
const authorityService = '/spire.api.server.localauthority.v1.LocalAuthority/'
const loggerService = '/spire.api.server.logger.v1.Logger/'
const svidService = '/spire.api.server.svid.v1.SVID/'
const trustDomainService = '/spire.api.server.trustdomain.v1.TrustDomain/'
const legacyService = '/countersign.legacy.v1.Legacy/'
const policyService = '/countersign.policy.v1.Policies/'
const registryService = '/countersign.registry.v1.Registry/'

/** Every RPC that the server knows. What is not here is refused, and a test fails for what is missing. */
export const accessTable: Readonly<Record<string, readonly Right[]>> = {
  [`${agentService}CountAgents`]: operators,
  [`${agentService}ListAgents`]: operators,
  [`${agentService}GetAgent`]: operators,
  [`${agentService}DeleteAgent`]: operators,
  [`${agentService}BanAgent`]: operators,
  [`${agentService}AttestAgent`]: ['any'],
  [`${agentService}RenewAgent`]: ['agent'],
  [`${agentService}CreateJoinToken`]: operators,
  [`${agentService}PostStatus`]: ['agent'],

  [`${bundleService}CountBundles`]: operators,
  [`${bundleService}GetBundle`]: ['any'],
  [`${bundleService}AppendBundle`]: operators,
  [`${bundleService}PublishJWTAuthority`]: ['downstream'],
  [`${bundleService}PublishWITAuthority`]: ['downstream'],
  [`${bundleService}ListFederatedBundles`]: operators,
  [`${bundleService}GetFederatedBundle`]: ['admin', 'local', 'agent'],
  [`${bundleService}BatchCreateFederatedBundle`]: operators,
  [`${bundleService}BatchUpdateFederatedBundle`]: operators,
  [`${bundleService}BatchSetFederatedBundle`]: operators,
  [`${bundleService}BatchDeleteFederatedBundle`]: operators,

  [`${entryService}CountEntries`]: operators,
  [`${entryService}ListEntries`]: operators,
  [`${entryService}GetEntry`]: operators,
  [`${entryService}BatchCreateEntry`]: operators,
  [`${entryService}BatchUpdateEntry`]: operators,
  [`${entryService}BatchDeleteEntry`]: operators,
  [`${entryService}GetAuthorizedEntries`]: ['agent'],
  [`${entryService}SyncAuthorizedEntries`]: ['agent'],

  [`${svidService}MintX509SVID`]: operators,
  [`${svidService}MintJWTSVID`]: operators,
  [`${svidService}MintWITSVID`]: operators,
  [`${svidService}BatchNewX509SVID`]: ['agent'],
  [`${svidService}NewJWTSVID`]: ['agent'],
  [`${svidService}BatchNewWITSVID`]: ['agent'],
  [`${svidService}NewDownstreamX509CA`]: ['downstream'],

  [`${authorityService}GetJWTAuthorityState`]: operators,
  [`${authorityService}PrepareJWTAuthority`]: operators,
  [`${authorityService}ActivateJWTAuthority`]: operators,
  [`${authorityService}TaintJWTAuthority`]: operators,
  [`${authorityService}RevokeJWTAuthority`]: operators,
  [`${authorityService}GetX509AuthorityState`]: operators,
  [`${authorityService}PrepareX509Authority`]: operators,
  [`${authorityService}ActivateX509Authority`]: operators,
  [`${authorityService}TaintX509Authority`]: operators,
  [`${authorityService}RevokeX509Authority`]: operators,
  [`${authorityService}TaintX509UpstreamAuthority`]: operators,
  [`${authorityService}RevokeX509UpstreamAuthority`]: operators,
  [`${authorityService}GetWITAuthorityState`]: operators,
  [`${authorityService}PrepareWITAuthority`]: operators,
  [`${authorityService}ActivateWITAuthority`]: operators,
  [`${authorityService}TaintWITAuthority`]: operators,
  [`${authorityService}RevokeWITAuthority`]: operators,

  [`${loggerService}GetLogger`]: ['local'],
  [`${loggerService}SetLogLevel`]: ['local'],
  [`${loggerService}ResetLogLevel`]: ['local'],

  [`${trustDomainService}ListFederationRelationships`]: operators,
  [`${trustDomainService}GetFederationRelationship`]: operators,
  [`${trustDomainService}BatchCreateFederationRelationship`]: operators,
  [`${trustDomainService}BatchUpdateFederationRelationship`]: operators,
  [`${trustDomainService}BatchDeleteFederationRelationship`]: operators,
  [`${trustDomainService}RefreshBundle`]: operators,

  [`${registryService}BatchCreate`]: operators,
  [`${registryService}BatchUpdate`]: operators,
  [`${registryService}BatchDelete`]: operators,
  [`${registryService}BatchDisable`]: operators,
  [`${registryService}BatchEnable`]: operators,
  [`${registryService}Get`]: operators,
  [`${registryService}List`]: operators,
  [`${registryService}Count`]: operators,
  [`${registryService}WaitApplied`]: operators,

  [`${legacyService}Add`]: operators,
  [`${legacyService}List`]: operators,
  [`${legacyService}Remove`]: operators,

  [`${policyService}Explain`]: operators,
  [`${policyService}Apply`]: operators,
  [`${policyService}Show`]: operators,
  [`${policyService}History`]: operators,

  '/countersign.sync.v1.Sync/Follow': ['agent'],
  '/countersign.federation.v1.Federation/ListStatus': operators,
  '/countersign.fleet.v1.Fleet/ListStatus': operators,
  '/countersign.oauth.v1.Grants/List': operators,
  '/countersign.oauth.v1.Grants/ListTokens': operators,
  '/countersign.oauth.v1.TokenAuthority/GetJWTAuthorityState': operators,
  '/countersign.oauth.v1.TokenAuthority/PrepareJWTAuthority': operators,
  '/countersign.oauth.v1.TokenAuthority/ActivateJWTAuthority': operators,
  '/countersign.oauth.v1.TokenAuthority/TaintJWTAuthority': operators,
  '/countersign.oauth.v1.TokenAuthority/RevokeJWTAuthority': operators,
  '/countersign.revocation.v1.Revocation/Revoke': operators,
  '/countersign.revocation.v1.Revocation/OffboardOwner': operators,
  '/countersign.clock.v1.Clock/Accept': ['local'],
  '/countersign.clock.v1.Clock/Now': ['any'],
  '/spire.api.server.debug.v1.Debug/GetInfo': ['local'],
  '/grpc.health.v1.Health/Check': ['local'],
  '/grpc.health.v1.Health/List': ['local'],
  '/grpc.health.v1.Health/Watch': ['local'],
}

/** True where the RPC asks for no identity. */
export function isOpenToAll(method: string): boolean {
  return rightsOf(method).includes('any')
}

function rightsOf(method: string): readonly Right[] {
  return Object.hasOwn(accessTable, method) ? (accessTable[method] ?? []) : []
}

/** Throws `forbidden` / `access-denied` unless the table lets this caller make this call. */
export function authorise(method: string, caller: Caller): void {
  const allowed = rightsOf(method).some((right) => right === 'any' || caller.kinds.has(right))
  if (!allowed) {
    throw new CountersignError(
      'forbidden',
      `authorization denied for method ${printableMethod(method)}`,
      { reason: 'access-denied' },
    )
  }
}

/** A method that we do not know is the caller's text and is not repeated to anyone. */
function printableMethod(method: string): string {
  return Object.hasOwn(accessTable, method) ? method : 'unknown'
}
