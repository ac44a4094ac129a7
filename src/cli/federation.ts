import { Command, Option } from 'commander'
import type { RpcChannel } from '../rpc/dial.ts'
import type {
  FederationRelationship,
  FederationRelationship$Input,
} from '../rpc/gen/spire/api/types/FederationRelationship.ts'
import { SpiffeId, TrustDomain } from '../spiffe-id/spiffe-id.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { everyPage } from './every-page.ts'
import type { Io } from './io.ts'
import { onlyItem, printDone } from './item-status.ts'
import type { OutputFormat } from './output.ts'
import { usage } from './usage.ts'
import { formed, httpsUrl } from './value-form.ts'

interface Of extends AdminOptions {
  readonly trustDomain: string
}

interface PutOptions extends Of {
  readonly url?: string
  readonly profile?: 'https_web' | 'https_spiffe'
  readonly endpointSpiffeId?: string
  readonly bundleFile?: string
}

const named = '--trust-domain <name>'

/** `countersign federation create` */
export function federationCreate(io: Io): Command {
  return withRelationship(
    new Command('create').description('note where the bundle of another trust domain is served'),
  )
    .addHelpText(
      'after',
      `
Example:
  countersign federation create --trust-domain partner.example --url https://partner.example/bundle \\
    --profile https_spiffe --endpoint-spiffe-id spiffe://partner.example/spire/server \\
    --bundle-file partner.json`,
    )
    .action(async (options: PutOptions) => {
      if (options.url === undefined || options.profile === undefined) {
        throw usage(
          'a relationship needs --url and --profile',
          'see an example: countersign federation create --help',
        )
      }
      const relationship = await relationshipOf(options)
      await call(io, options, async (client, channel) => {
        const answer = await client.unary('BatchCreateFederationRelationship', {
          federation_relationships: [relationship],
        })
        const made = (await onlyItem(answer.results)).federation_relationship
        await print(io, options.output, made, channel)
      })
    })
}

/** `countersign federation update` */
export function federationUpdate(io: Io): Command {
  return withRelationship(
    new Command('update').description('change what is given; the rest stays as it is'),
  )
    .addHelpText(
      'after',
      '\nExample:\n  countersign federation update --trust-domain partner.example --url https://new.partner.example/',
    )
    .action(async (options: PutOptions) => {
      const relationship = await relationshipOf(options)
      await call(io, options, async (client, channel) => {
        const answer = await client.unary('BatchUpdateFederationRelationship', {
          federation_relationships: [relationship],
          input_mask: {
            bundle_endpoint_url: options.url !== undefined,
            bundle_endpoint_profile: options.profile !== undefined,
            trust_domain_bundle: options.bundleFile !== undefined,
          },
        })
        const made = (await onlyItem(answer.results)).federation_relationship
        await print(io, options.output, made, channel)
      })
    })
}

/** `countersign federation list` */
export function federationList(io: Io): Command {
  return withAdminOptions(new Command('list').description('list the relationships'))
    .addHelpText('after', '\nExample:\n  countersign federation list -o json')
    .action(async (options: AdminOptions) => {
      await call(io, options, async (client, channel) => {
        const pages = await everyPage((page_token) =>
          client.unary('ListFederationRelationships', { page_size: 500, page_token }),
        )
        const found = pages.flatMap((page) => page.federation_relationships)
        const { fetchStatuses, printRelationships } = await import('./federation-view.ts')
        printRelationships(io, options.output, found, await fetchStatuses(channel))
      })
    })
}

/** `countersign federation show` */
export function federationShow(io: Io): Command {
  return ofOne(new Command('show').description('show one relationship'), 'show').action(
    async (options: Of) => {
      await call(io, options, async (client, channel) => {
        const request = { trust_domain: options.trustDomain }
        const found = await client.unary('GetFederationRelationship', request)
        await print(io, options.output, found, channel)
      })
    },
  )
}

/** `countersign federation delete` */
export function federationDelete(io: Io): Command {
  return ofOne(
    new Command('delete').description('forget a relationship; the bundle stays'),
    'delete',
  ).action(async (options: Of) => {
    await call(io, options, async (client) => {
      const answer = await client.unary('BatchDeleteFederationRelationship', {
        trust_domains: [options.trustDomain],
      })
      await onlyItem(answer.results)
      await printDone(io, options.output, 'deleted', options.trustDomain)
    })
  })
}

/** `countersign federation refresh` */
export function federationRefresh(io: Io): Command {
  return ofOne(new Command('refresh').description('fetch the bundle now'), 'refresh').action(
    async (options: Of) => {
      await call(io, options, async (client) => {
        await client.unary('RefreshBundle', { trust_domain: options.trustDomain })
        await printDone(io, options.output, 'refreshed', options.trustDomain)
      })
    },
  )
}

function ofOne(command: Command, verb: string): Command {
  return withAdminOptions(
    command.requiredOption(named, 'with whom', formed(TrustDomain.parseIdOrName)),
  ).addHelpText(
    'after',
    `\nExample:\n  countersign federation ${verb} --trust-domain partner.example`,
  )
}

function withRelationship(command: Command): Command {
  return withAdminOptions(
    command
      .requiredOption(named, 'with whom', formed(TrustDomain.parseIdOrName))
      .option('--url <https url>', 'where the bundle is served', formed(httpsUrl))
      .addOption(
        new Option(
          '--profile <profile>',
          'whom to believe there: the Web PKI, or an SVID of --endpoint-spiffe-id',
        ).choices(['https_web', 'https_spiffe']),
      )
      .option(
        '--endpoint-spiffe-id <id>',
        'who answers there, with https_spiffe',
        formed(SpiffeId.parse),
      )
      .option('--bundle-file <path>', 'the bundle to begin with, as for "bundle set"'),
  )
}

async function relationshipOf(options: PutOptions): Promise<FederationRelationship$Input> {
  const { trustDomain, bundleFile } = options
  return {
    trust_domain: trustDomain,
    bundle_endpoint_url: options.url ?? '',
    ...(options.profile === 'https_spiffe'
      ? { https_spiffe: { endpoint_spiffe_id: options.endpointSpiffeId ?? '' } }
      : { https_web: {} }),
    ...(bundleFile !== undefined && {
      trust_domain_bundle: await (await import('./bundle-file.ts')).readBundleFile(
        bundleFile,
        trustDomain,
      ),
    }),
  }
}

async function clientOf(channel: RpcChannel) {
  const { createClient } = await import('../rpc/client.ts')
  return createClient('spire.api.server.trustdomain.v1.TrustDomain', channel)
}

function call(
  io: Io,
  options: AdminOptions,
  work: (client: Awaited<ReturnType<typeof clientOf>>, channel: RpcChannel) => Promise<void>,
): Promise<void> {
  return withServer(io, options, async (channel) => work(await clientOf(channel), channel))
}

async function print(
  io: Io,
  output: OutputFormat,
  relationship: FederationRelationship | null,
  channel: RpcChannel,
): Promise<void> {
  const { fetchStatuses, printRelationship } = await import('./federation-view.ts')
  printRelationship(io, output, relationship, await fetchStatuses(channel))
}
