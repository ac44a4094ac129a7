import { Command, Option } from 'commander'
import type { BatchDeleteFederatedBundleRequest } from '../rpc/gen/spire/api/server/bundle/v1/BatchDeleteFederatedBundleRequest.ts'
import { TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import type { Io } from './io.ts'
import { onlyItem, printDone } from './item-status.ts'
import { formed } from './value-form.ts'

interface SetOptions extends AdminOptions {
  readonly trustDomain: string
  readonly file: string
}

interface DeleteOptions extends AdminOptions {
  readonly trustDomain: string
  readonly mode: 'restrict' | 'delete' | 'dissociate'
}

const service = 'spire.api.server.bundle.v1.Bundle'

/** `countersign bundle set` */
export function bundleSet(io: Io): Command {
  return withAdminOptions(
    new Command('set')
      .description('trust another trust domain by this bundle, in the place of one that is there')
      .requiredOption(
        '--trust-domain <name>',
        'whose bundle it is',
        formed(TrustDomain.parseIdOrName),
      )
      .requiredOption(
        '--file <path>',
        'PEM certificates, or the SPIFFE bundle document; - is stdin',
      ),
  )
    .addHelpText(
      'after',
      '\nExample:\n  countersign bundle set --trust-domain partner.example --file partner.json',
    )
    .action(async (options: SetOptions) => {
      const { readBundleFile } = await import('./bundle-file.ts')
      const bundle = await readBundleFile(options.file, options.trustDomain)
      await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const answer = await createClient(service, channel).unary('BatchSetFederatedBundle', {
          bundle: [bundle],
        })
        const set = (await onlyItem(answer.results)).bundle
        await printDone(io, options.output, 'set', set?.trust_domain ?? '')
      })
    })
}

/** `countersign bundle delete` */
export function bundleDelete(io: Io): Command {
  return withAdminOptions(
    new Command('delete')
      .description('trust another trust domain no longer')
      .requiredOption(
        '--trust-domain <name>',
        'whose bundle it is',
        formed(TrustDomain.parseIdOrName),
      )
      .addOption(
        new Option('--mode <mode>', 'what becomes of entries that federate with it')
          .choices(['restrict', 'delete', 'dissociate'])
          .default('restrict'),
      ),
  )
    .addHelpText(
      'after',
      `
Example:
  countersign bundle delete --trust-domain partner.example --mode dissociate

restrict refuses where there are such entries, delete deletes them, dissociate lets them federate
with the others only.`,
    )
    .action(async (options: DeleteOptions) => {
      await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const answer = await createClient(service, channel).unary('BatchDeleteFederatedBundle', {
          trust_domains: [options.trustDomain],
          mode: options.mode.toUpperCase() as BatchDeleteFederatedBundleRequest['mode'],
        })
        await onlyItem(answer.results)
        await printDone(io, options.output, 'deleted', options.trustDomain)
      })
    })
}
