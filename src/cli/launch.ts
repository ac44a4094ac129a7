import type { AgentConfig } from '../../agent/config.ts'
import type { AgentHooks } from '../../agent/main.ts'
import type { ServerConfig } from '../../server/config.ts'
import type { ServerHooks } from '../../server/main.ts'
import type { Overrides } from '../runtime/config-override.ts'

// The one place of src/ that knows server/ and agent/, and only when asked to run one.

export async function loadServer(said: Overrides): Promise<ServerConfig> {
  const { loadServerConfig } = await import('../../server/config.ts')
  return loadServerConfig(said)
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
