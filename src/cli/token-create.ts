import { Command } from 'commander'
import { parseDuration } from '../runtime/duration.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { wireId } from './entry-flags.ts'
import { instant } from './entry-view.ts'
import type { Io } from './io.ts'
import { printRecord } from './output.ts'
import { formed } from './value-form.ts'

interface Options extends AdminOptions {
  readonly ttl: string
  readonly spiffeId?: string
}

/** `countersign token create` */
export function tokenCreate(io: Io): Command {
  const command = new Command('create')
    .description('make a token that lets one node join, once')
    .option('--ttl <duration>', 'how long it is good', formed(parseDuration), '10m')
    .option(
      '--spiffe-id <id>',
      'an ID of your choice that the node goes by too',
      formed(SpiffeId.parse),
    )
  return withAdminOptions(command)
    .addHelpText(
      'after',
      `
Example:
  countersign token create --spiffe-id spiffe://example.org/nodes/rack-7

Give the token to the agent in a file or on standard input, and the CA key's hash beside it:
  countersign agent run --join-token-file token.txt --trust-ca-sha256 HASH …`,
    )
    .action(async (options: Options) => {
      const request = { ttl: parseDuration(options.ttl), agent_id: wireId(options.spiffeId) }
      await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const token = await createClient('spire.api.server.agent.v1.Agent', channel).unary(
          'CreateJoinToken',
          request,
        )
        const { caKeyHashes } = await import('./ca-hashes.ts')
        const hashes = await caKeyHashes(channel)
        const expiresAt = instant(token.expires_at)
        printRecord(
          io,
          options.output,
          {
            token: token.value,
            expiresAt,
            spiffeId: options.spiffeId ?? null,
            trustCaSha256: hashes,
          },
          [
            ['token', token.value],
            ['expires', expiresAt ?? '-'],
            ['trust-ca-sha256', hashes.join(',')],
          ],
        )
      })
    })
}
