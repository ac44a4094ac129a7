import { Command } from 'commander'
import type { RpcChannel } from '../rpc/dial.ts'
import { type AgentAdminOptions, withAgent, withAgentAdminOptions } from './agent-admin.ts'
import { idText, instant } from './entry-view.ts'
import type { Io } from './io.ts'
import { printRecord } from './output.ts'

/** `countersign agent info` */
export function agentInfo(io: Io): Command {
  return withAgentAdminOptions(new Command('info').description('how the agent of this machine is'))
    .addHelpText(
      'after',
      '\nExample:\n  countersign agent info --admin-socket /run/countersign/admin/api.sock',
    )
    .action(async (options: AgentAdminOptions) => {
      const info = await withAgent(io, options, infoOf)
      printRecord(io, options.output, info, [
        ['id', info.id ?? '-'],
        ['svid expires', info.svidExpiresAt ?? '-'],
        ['last sync', info.lastSync ?? 'never'],
        ['uptime', `${info.uptimeSeconds} s`],
        ['entries', String(info.entries)],
        ['X.509-SVIDs', String(info.x509Svids)],
        ['JWT-SVIDs', String(info.jwtSvids)],
      ])
    })
}

async function infoOf(channel: RpcChannel) {
  const { createClient } = await import('../rpc/client.ts')
  const info = await createClient('spire.agent.debug.v1.Debug', channel).unary('GetInfo', {})
  const [own] = info.svid_chain
  return {
    id: own === undefined ? null : idText(own.id),
    svidExpiresAt: own === undefined ? null : instant(own.expires_at),
    lastSync: instant(info.last_sync_success),
    uptimeSeconds: info.uptime,
    entries: info.svids_count,
    x509Svids: info.cached_x509_svids_count,
    jwtSvids: info.cached_jwt_svids_count,
  }
}
