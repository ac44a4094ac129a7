import { Command } from 'commander'
import { CountersignError } from '../errors.ts'
import { systemClock } from '../runtime/clock.ts'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { Io } from './io.ts'
import { printJson, printJsonLine, printRecords } from './output.ts'
import { formed } from './value-form.ts'
import {
  followWorkloadApi,
  type WorkloadOptions,
  withWorkloadApi,
  withWorkloadOptions,
} from './workload.ts'

const timeoutMs = 10_000

interface X509Options extends WorkloadOptions {
  readonly showKey?: boolean
}

interface JwtOptions extends WorkloadOptions {
  readonly audience: readonly string[]
  readonly spiffeId?: string
}

/** `countersign fetch x509` */
export function fetchX509(io: Io): Command {
  return withWorkloadOptions(
    new Command('x509')
      .description('fetch the X.509-SVIDs of this process')
      .option('--show-key', 'with the private key (not to a terminal)'),
  )
    .addHelpText('after', '\nExample:\n  countersign fetch x509')
    .action(async (options: X509Options) => {
      const { printX509Svids, refuseKeyOnTerminal } = await import('./svid-view.ts')
      refuseKeyOnTerminal(io, options.showKey === true)
      await withWorkloadApi(io, options, async (api) => {
        const response = await first(
          api.rpc.serverStream('FetchX509SVID', {}, { metadata: api.metadata, timeoutMs }),
        )
        const shown = response.svids.map((svid) => ({
          chain: svid.x509_svid,
          hint: svid.hint,
          bundle: svid.bundle,
          key: options.showKey === true ? svid.x509_svid_key : undefined,
        }))
        printX509Svids(io, options.output, shown, systemClock.now())
      })
    })
}

/** `countersign fetch jwt` */
export function fetchJwt(io: Io): Command {
  return withWorkloadOptions(
    new Command('jwt')
      .description('fetch JWT-SVIDs of this process')
      .requiredOption('--audience <name...>', 'who the token is for')
      .option('--spiffe-id <id>', 'only this identity', formed(SpiffeId.parse)),
  )
    .addHelpText('after', '\nExample:\n  countersign fetch jwt --audience https://api.example.org')
    .action(async (options: JwtOptions) => {
      await withWorkloadApi(io, options, async (api) => {
        const { svids } = await api.rpc.unary(
          'FetchJWTSVID',
          { audience: [...options.audience], spiffe_id: options.spiffeId ?? '' },
          { metadata: api.metadata, timeoutMs },
        )
        const { printJwtSvids } = await import('./svid-view.ts')
        const shown = svids.map(({ svid: token, spiffe_id: spiffeId, hint }) => ({
          token,
          spiffeId,
          hint,
        }))
        printJwtSvids(io, options.output, shown, systemClock.now())
      })
    })
}

/** `countersign fetch bundles` */
export function fetchBundles(io: Io): Command {
  return withWorkloadOptions(
    new Command('bundles').description('fetch the bundles that this process may verify with'),
  )
    .addHelpText('after', '\nExample:\n  countersign fetch bundles -o json')
    .action(async (options: WorkloadOptions) => {
      await withWorkloadApi(io, options, async (api) => {
        const call = { metadata: api.metadata, timeoutMs }
        const x509 = await first(api.rpc.serverStream('FetchX509Bundles', {}, call))
        const jwt = await first(api.rpc.serverStream('FetchJWTBundles', {}, call))
        const { splitCertificates } = await import('../x509/certificate.ts')
        const { toPem } = await import('../x509/pem.ts')
        const bundles = Object.entries(x509.bundles).map(([id, der]) => ({
          id,
          certificates: splitCertificates(der),
          keys: Buffer.from(jwt.bundles[id] ?? []).toString('utf8'),
        }))
        if (options.output === 'json') {
          const json = bundles.map(({ id, certificates, keys }) => ({
            trustDomainId: id,
            x509Pem: certificates.map((one) => toPem('CERTIFICATE', one)).join(''),
            jwks: keys === '' ? null : (JSON.parse(keys) as unknown),
          }))
          printJson(io, json)
        } else {
          printRecords(io, bundles, ({ id, certificates, keys }) => [
            ['trust domain', id],
            ['x509 authorities', String(certificates.length)],
            ['jwt keys', keyIds(keys).join(' ') || '-'],
          ])
        }
      })
    })
}

/** The key IDs of a JWKS. */
function keyIds(jwks: string): readonly string[] {
  if (jwks === '') return []
  const { keys = [] } = JSON.parse(jwks) as { readonly keys?: readonly { readonly kid?: string }[] }
  return keys.map(({ kid }) => kid ?? '(without an ID)')
}

/** `countersign watch` */
export function watch(io: Io): Command {
  return withWorkloadOptions(
    new Command('watch').description('show each X.509-SVID as it arrives, until Ctrl-C'),
  )
    .addHelpText('after', '\nExample:\n  countersign watch -o json')
    .action(async (options: WorkloadOptions) => {
      const { printX509Svids, x509SvidJson } = await import('./svid-view.ts')
      await followWorkloadApi(io, options, async (api) => {
        const updates = api.rpc
          .serverStream('FetchX509SVID', {}, { metadata: api.metadata, signal: io.signal })
          [Symbol.asyncIterator]()
        let update = await io.progress('waiting for the first SVID', updates.next())
        for (; update.done !== true; update = await updates.next()) {
          const { svids } = update.value
          const now = systemClock.now()
          const shown = svids.map((svid) => ({ chain: svid.x509_svid, hint: svid.hint }))
          if (options.output === 'json') {
            printJsonLine(io, { receivedAt: now.toISOString(), svids: shown.map(x509SvidJson) })
          } else {
            io.note(
              `${now.toISOString()}  ${svids.length === 1 ? '1 SVID' : `${svids.length} SVIDs`}`,
            )
            printX509Svids(io, options.output, shown, now)
          }
        }
      })
    })
}

async function first<T>(messages: AsyncIterable<T>): Promise<T> {
  for await (const message of messages) return message
  throw new CountersignError('unavailable', 'the agent ended the stream without a word', {
    reason: 'stream-ended',
  })
}
