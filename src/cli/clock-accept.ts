import { Command } from 'commander'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import type { Io } from './io.ts'
import { printRecord } from './output.ts'

/** `countersign server clock accept` */
export function clockAccept(io: Io): Command {
  return withAdminOptions(
    new Command('accept').description(
      'take the clock of the server as right after it went back, so that it signs again',
    ),
  )
    .addHelpText('after', '\nExample:\n  countersign server clock accept')
    .action(async (options: AdminOptions) => {
      await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const answer = await createClient('countersign.clock.v1.Clock', channel).unary('Accept', {})
        const now = new Date(Number(answer.now_ms)).toISOString()
        printRecord(io, options.output, { now }, [['accepted', now]])
      })
    })
}
