import { join } from 'node:path'
import { loadSync, type MessageTypeDefinition, type PackageDefinition } from '@grpc/proto-loader'
import { packageFolder } from '../runtime/package-folder.ts'
import type { ClockDefinition } from './gen/countersign/clock/v1/Clock.ts'
import type { FederationDefinition } from './gen/countersign/federation/v1/Federation.ts'
import type { FleetDefinition } from './gen/countersign/fleet/v1/Fleet.ts'
import type { LegacyDefinition } from './gen/countersign/legacy/v1/Legacy.ts'
import type { GrantsDefinition } from './gen/countersign/oauth/v1/Grants.ts'
import type { TokenAuthorityDefinition } from './gen/countersign/oauth/v1/TokenAuthority.ts'
import type { PoliciesDefinition } from './gen/countersign/policy/v1/Policies.ts'
import type { RegistryDefinition } from './gen/countersign/registry/v1/Registry.ts'
import type { RevocationDefinition } from './gen/countersign/revocation/v1/Revocation.ts'
import type { SyncDefinition } from './gen/countersign/sync/v1/Sync.ts'
import type { SecretDiscoveryServiceDefinition } from './gen/envoy/service/secret/v3/SecretDiscoveryService.ts'
import type { HealthDefinition } from './gen/grpc/health/v1/Health.ts'
import type { ServerReflectionDefinition } from './gen/grpc/reflection/v1/ServerReflection.ts'
import type { ServerReflectionDefinition as ServerReflectionAlphaDefinition } from './gen/grpc/reflection/v1alpha/ServerReflection.ts'
import type { SpiffeWorkloadAPIDefinition } from './gen/SpiffeWorkloadAPI.ts'
import type { DebugDefinition as AgentDebugDefinition } from './gen/spire/agent/debug/v1/Debug.ts'
import type { DelegatedIdentityDefinition } from './gen/spire/api/agent/delegatedidentity/v1/DelegatedIdentity.ts'
import type { LoggerDefinition as AgentLoggerDefinition } from './gen/spire/api/agent/logger/v1/Logger.ts'
import type { AgentDefinition } from './gen/spire/api/server/agent/v1/Agent.ts'
import type { BundleDefinition } from './gen/spire/api/server/bundle/v1/Bundle.ts'
import type { DebugDefinition } from './gen/spire/api/server/debug/v1/Debug.ts'
import type { EntryDefinition } from './gen/spire/api/server/entry/v1/Entry.ts'
import type { LocalAuthorityDefinition } from './gen/spire/api/server/localauthority/v1/LocalAuthority.ts'
import type { LoggerDefinition } from './gen/spire/api/server/logger/v1/Logger.ts'
import type { SVIDDefinition } from './gen/spire/api/server/svid/v1/SVID.ts'
import type { TrustDomainDefinition } from './gen/spire/api/server/trustdomain/v1/TrustDomain.ts'

/** Every service that is spoken here, by its full name on the wire. */
export interface ServiceDefinitions {
  readonly SpiffeWorkloadAPI: SpiffeWorkloadAPIDefinition
  readonly 'spire.agent.debug.v1.Debug': AgentDebugDefinition
  readonly 'spire.api.agent.delegatedidentity.v1.DelegatedIdentity': DelegatedIdentityDefinition
  readonly 'spire.api.agent.logger.v1.Logger': AgentLoggerDefinition
  readonly 'spire.api.server.agent.v1.Agent': AgentDefinition
  readonly 'spire.api.server.bundle.v1.Bundle': BundleDefinition
  readonly 'spire.api.server.debug.v1.Debug': DebugDefinition
  readonly 'spire.api.server.entry.v1.Entry': EntryDefinition
  readonly 'spire.api.server.localauthority.v1.LocalAuthority': LocalAuthorityDefinition
  readonly 'spire.api.server.logger.v1.Logger': LoggerDefinition
  readonly 'spire.api.server.svid.v1.SVID': SVIDDefinition
  readonly 'spire.api.server.trustdomain.v1.TrustDomain': TrustDomainDefinition
  readonly 'countersign.clock.v1.Clock': ClockDefinition
  readonly 'countersign.federation.v1.Federation': FederationDefinition
  readonly 'countersign.fleet.v1.Fleet': FleetDefinition
  readonly 'countersign.oauth.v1.Grants': GrantsDefinition
  readonly 'countersign.oauth.v1.TokenAuthority': TokenAuthorityDefinition
  readonly 'countersign.revocation.v1.Revocation': RevocationDefinition
  readonly 'countersign.legacy.v1.Legacy': LegacyDefinition
  readonly 'countersign.policy.v1.Policies': PoliciesDefinition
  readonly 'countersign.registry.v1.Registry': RegistryDefinition
  readonly 'countersign.sync.v1.Sync': SyncDefinition
  readonly 'envoy.service.secret.v3.SecretDiscoveryService': SecretDiscoveryServiceDefinition
  readonly 'grpc.health.v1.Health': HealthDefinition
  readonly 'grpc.reflection.v1.ServerReflection': ServerReflectionDefinition
  readonly 'grpc.reflection.v1alpha.ServerReflection': ServerReflectionAlphaDefinition
}

export type ServiceName = keyof ServiceDefinitions

/** Where each is defined, below `proto/`. */
export const protoFiles: Readonly<Record<ServiceName, string>> = {
  SpiffeWorkloadAPI: 'spiffe/workload.proto',
  'spire.agent.debug.v1.Debug': 'spire/api/agent/debug/v1/debug.proto',
  'spire.api.agent.delegatedidentity.v1.DelegatedIdentity':
    'spire/api/agent/delegatedidentity/v1/delegatedidentity.proto',
  'spire.api.agent.logger.v1.Logger': 'spire/api/agent/logger/v1/logger.proto',
  'spire.api.server.agent.v1.Agent': 'spire/api/server/agent/v1/agent.proto',
  'spire.api.server.bundle.v1.Bundle': 'spire/api/server/bundle/v1/bundle.proto',
  'spire.api.server.debug.v1.Debug': 'spire/api/server/debug/v1/debug.proto',
  'spire.api.server.entry.v1.Entry': 'spire/api/server/entry/v1/entry.proto',
  'spire.api.server.localauthority.v1.LocalAuthority':
    'spire/api/server/localauthority/v1/localauthority.proto',
  'spire.api.server.logger.v1.Logger': 'spire/api/server/logger/v1/logger.proto',
  'spire.api.server.svid.v1.SVID': 'spire/api/server/svid/v1/svid.proto',
  'spire.api.server.trustdomain.v1.TrustDomain':
    'spire/api/server/trustdomain/v1/trustdomain.proto',
  'countersign.clock.v1.Clock': 'countersign/clock/v1/clock.proto',
  'countersign.federation.v1.Federation': 'countersign/federation/v1/federation.proto',
  'countersign.fleet.v1.Fleet': 'countersign/fleet/v1/fleet.proto',
  'countersign.oauth.v1.Grants': 'countersign/oauth/v1/grants.proto',
  'countersign.oauth.v1.TokenAuthority': 'countersign/oauth/v1/token_authority.proto',
  'countersign.revocation.v1.Revocation': 'countersign/revocation/v1/revocation.proto',
  'countersign.legacy.v1.Legacy': 'countersign/legacy/v1/legacy.proto',
  'countersign.policy.v1.Policies': 'countersign/policy/v1/policies.proto',
  'countersign.registry.v1.Registry': 'countersign/registry/v1/registry.proto',
  'countersign.sync.v1.Sync': 'countersign/sync/v1/sync.proto',
  'envoy.service.secret.v3.SecretDiscoveryService': 'envoy/service/secret/v3/sds.proto',
  'grpc.health.v1.Health': 'grpc/health/v1/health.proto',
  'grpc.reflection.v1.ServerReflection': 'grpc/reflection/v1/reflection.proto',
  'grpc.reflection.v1alpha.ServerReflection': 'grpc/reflection/v1alpha/reflection.proto',
}

const loaded = new Map<string, PackageDefinition>()

function load(file: string): PackageDefinition {
  let definitions = loaded.get(file)
  if (definitions === undefined) {
    // The same options as the types in `gen/` were made with.
    definitions = loadSync(file, {
      keepCase: true,
      longs: String,
      enums: String,
      bytes: Buffer,
      defaults: true,
      oneofs: true,
      includeDirs: [join(packageFolder, 'proto')],
    })
    loaded.set(file, definitions)
  }
  return definitions
}

/** The definition of a service, read from its `.proto` file once. */
export function serviceDefinition<N extends ServiceName>(name: N): ServiceDefinitions[N] {
  return load(protoFiles[name])[name] as unknown as ServiceDefinitions[N]
}

/** Writer and reader of one message type, `google.rpc.Status` of `google/rpc/status.proto`. */
export function messageDefinition<I extends object, O extends object>(
  file: string,
  name: string,
): MessageTypeDefinition<I, O> {
  return load(file)[name] as unknown as MessageTypeDefinition<I, O>
}
