import { Command } from 'commander'
import { systemClock } from '../runtime/clock.ts'
import { parseDuration } from '../runtime/duration.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import { type AdminOptions, withAdminOptions, withServer } from './admin.ts'
import { wireId } from './entry-flags.ts'
import { idText } from './entry-view.ts'
import type { Io } from './io.ts'
import { printJson } from './output.ts'
import { formed } from './value-form.ts'

interface Options extends AdminOptions {
  readonly spiffeId: string
  readonly ttl?: number
}

/** `countersign svid mint x509` */
export function mintX509(io: Io): Command {
  return withAdminOptions(
    new Command('x509')
      .description('sign a certificate for any ID of the trust domain, without an entry')
      .requiredOption('--spiffe-id <id>', 'whom it names', formed(SpiffeId.parse))
      .option('--ttl <duration>', 'its life', parseDuration),
  )
    .addHelpText(
      'after',
      `
Example:
  countersign svid mint x509 --spiffe-id spiffe://example.org/legacy > legacy.pem
  countersign svid mint x509 --spiffe-id spiffe://example.org/legacy -o json > legacy.json

The key is made here and goes with the certificate, so the output may not be a terminal. Without -o json it is PEM: the
chain, leaf first, and the key.`,
    )
    .action(async (options: Options) => {
      const { refuseKeyOnTerminal, x509SvidJson } = await import('./svid-view.ts')
      refuseKeyOnTerminal(io, true)
      const { ttl = 0 } = options
      const { generateKeyPair, softwareSigner } = await import('../x509/key.ts')
      const { createCsr } = await import('../x509/csr.ts')
      const { privateKey } = await generateKeyPair('ec-p256')
      const csr = await createCsr(softwareSigner(privateKey), {
        spiffeId: SpiffeId.parse(options.spiffeId),
      })
      await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const { svid } = await createClient('spire.api.server.svid.v1.SVID', channel).unary(
          'MintX509SVID',
          { csr, ttl },
        )
        const minted = x509SvidJson({
          chain: Buffer.concat(svid?.cert_chain ?? []),
          hint: '',
          key: privateKey.export({ type: 'pkcs8', format: 'der' }),
        })
        if (options.output === 'json') printJson(io, minted)
        else io.write(`${minted.chainPem}${minted.keyPem}`)
      })
    })
}

/** `countersign svid mint jwt` */
export function mintJwt(io: Io): Command {
  return withAdminOptions(
    new Command('jwt')
      .description('sign a token for any ID of the trust domain, without an entry')
      .requiredOption('--spiffe-id <id>', 'whom it names', formed(SpiffeId.parse))
      .requiredOption('--audience <name...>', 'who it is for')
      .option('--ttl <duration>', 'its life', parseDuration),
  )
    .addHelpText(
      'after',
      '\nExample:\n  countersign svid mint jwt --spiffe-id spiffe://example.org/legacy --audience api',
    )
    .action(async (options: Options & { readonly audience: readonly string[] }) => {
      const id = wireId(options.spiffeId)
      const request = { id, audience: [...options.audience], ttl: options.ttl ?? 0 }
      await withServer(io, options, async (channel) => {
        const { createClient } = await import('../rpc/client.ts')
        const { svid } = await createClient('spire.api.server.svid.v1.SVID', channel).unary(
          'MintJWTSVID',
          request,
        )
        if (svid === null) return
        const { jwtSvidJson, printJwtSvids } = await import('./svid-view.ts')
        const minted = { token: svid.token, spiffeId: idText(svid.id), hint: '' }
        if (options.output === 'json') printJson(io, jwtSvidJson(minted))
        else printJwtSvids(io, options.output, [minted], systemClock.now())
      })
    })
}
