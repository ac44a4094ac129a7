import type { AgentConfig } from '../../agent/config.ts'
import type { AgentHooks } from '../../agent/main.ts'
import type { BrokerConfig } from '../../server/broker/config.ts'
import type { BrokerHooks } from '../../server/broker/main.ts'
import type { IntegrationReport } from '../../server/broker/report.ts'
import type { ServerConfig } from '../../server/config.ts'
import type { ServerHooks } from '../../server/main.ts'
import { systemClock } from '../runtime/clock.ts'
import type { Overrides } from '../runtime/config-override.ts'

// The one place of src/ that knows server/ and agent/, and only when asked to run one.

export async function loadServer(said: Overrides): Promise<ServerConfig> {
  const { loadServerConfig } = await import('../../server/config.ts')
  return loadServerConfig(said)
}

/** What the operator should know of a configuration that is good. */
export async function warningsAbout(config: ServerConfig): Promise<readonly string[]> {
  const { warningsOfConfig } = await import('../../server/config.ts')
  return warningsOfConfig(config)
}

export async function loadAgent(said: Overrides): Promise<AgentConfig> {
  const { loadAgentConfig } = await import('../../agent/config.ts')
  return loadAgentConfig(said)
}

export async function launchServer(
  config: ServerConfig,
  signal: AbortSignal,
  hooks?: ServerHooks,
): Promise<void> {
  const { runServer } = await import('../../server/main.ts')
  await runServer(config, signal, hooks)
}

export async function launchAgent(
  config: AgentConfig,
  signal: AbortSignal,
  hooks?: AgentHooks,
): Promise<void> {
  const { runAgent } = await import('../../agent/main.ts')
  await runAgent(config, signal, hooks)
}

export async function loadBroker(file: string): Promise<BrokerConfig> {
  const { loadBrokerConfig } = await import('../../server/broker/config.ts')
  return loadBrokerConfig(file, systemClock.now())
}

export async function launchBroker(
  config: BrokerConfig,
  signal: AbortSignal,
  hooks: BrokerHooks,
): Promise<void> {
  const { runBroker } = await import('../../server/broker/main.ts')
  await runBroker(config, signal, hooks)
}

export async function readBrokerReport(
  file: string,
  now: Date,
): Promise<readonly IntegrationReport[]> {
  const { reportOf } = await import('../../server/broker/report.ts')
  return reportOf(await loadBroker(file), now)
}

export async function sealForBroker(
  file: string,
  integration: string,
  secret: string,
): Promise<string> {
  const { sealFor } = await import('../../server/broker/report.ts')
  return sealFor(await loadBroker(file), integration, secret)
}
