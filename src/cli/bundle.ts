import { Command, Option } from 'commander'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { everyPage } from './every-page.ts'
import type { Io } from './io.ts'
import { printRows } from './output.ts'

interface ShowOptions extends AdminOptions {
  readonly format: 'pem' | 'spiffe'
}

/** `countersign bundle show` */
export function bundleShow(io: Io): Command {
  const command = new Command('show')
    .description('print the bundle of this trust domain')
    .addOption(
      new Option('--format <format>', 'PEM certificates, or the SPIFFE bundle document')
        .choices(['pem', 'spiffe'])
        .default('pem'),
    )
  return withAdminOptions(command)
    .addHelpText('after', '\nExample:\n  countersign bundle show --format spiffe > bundle.json')
    .action(async (options: ShowOptions) => {
      const bundle = await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const { bundleFromWire } = await import('../rpc/convert.ts')
        const client = createClient('spire.api.server.bundle.v1.Bundle', channel)
        return bundleFromWire(await client.unary('GetBundle', {}))
      })
      const { writeBundleDocument } = await import('../bundle/document.ts')
      const { toPem } = await import('../x509/pem.ts')
      if (options.output === 'json' || options.format === 'spiffe') {
        io.write(`${writeBundleDocument(bundle)}\n`)
      } else {
        const certificates = bundle.x509Authorities.map(({ certificate }) => certificate)
        io.write(certificates.map((der) => toPem('CERTIFICATE', der)).join(''))
      }
    })
}

/** `countersign bundle list` */
export function bundleList(io: Io): Command {
  return withAdminOptions(
    new Command('list').description('list the bundles of other trust domains'),
  )
    .addHelpText('after', '\nExample:\n  countersign bundle list -o json')
    .action(async (options: AdminOptions) => {
      const { bundleFromWire } = await import('../rpc/convert.ts')
      const { writeBundleDocument } = await import('../bundle/document.ts')
      const pages = await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const client = createClient('spire.api.server.bundle.v1.Bundle', channel)
        return everyPage((page_token) =>
          client.unary('ListFederatedBundles', { page_size: 100, page_token }),
        )
      })
      printRows(
        io,
        options.output,
        pages.flatMap(({ bundles }) => bundles),
        [
          { title: 'TRUST DOMAIN', text: (bundle) => bundle.trust_domain },
          { title: 'X509', text: (bundle) => String(bundle.x509_authorities.length) },
          { title: 'JWT', text: (bundle) => String(bundle.jwt_authorities.length) },
          { title: 'SEQUENCE', text: (bundle) => bundle.sequence_number },
        ],
        (bundle) => ({
          trustDomain: bundle.trust_domain,
          x509Authorities: bundle.x509_authorities.length,
          jwtAuthorities: bundle.jwt_authorities.length,
          sequence: bundle.sequence_number,
          refreshHintSeconds: Number(bundle.refresh_hint),
          document: JSON.parse(writeBundleDocument(bundleFromWire(bundle))) as unknown,
        }),
      )
    })
}
