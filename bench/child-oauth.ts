// A server that issues access tokens, in a process of its own, its store and trail on disk.
import { enableCompileCache } from 'node:module'
import type { Log } from '../src/runtime/log.ts'
import { argument, ownFolder, say } from './support/child.ts'

enableCompileCache()
const { oauthSettings, orders, policyFolder, allowWeb, resourceOf } = await import(
  '../test/support/oauth.ts'
)
const { mint, someAgent, startServer, trustDomain, wireEntry } = await import(
  '../test/support/running-server.ts'
)
const { webCertificate } = await import('../test/support/web-certificate.ts')
const { SpiffeId } = await import('../src/spiffe-id/spiffe-id.ts')
const { silentLog } = await import('../src/runtime/log.ts')
const { toPem } = await import('../src/x509/pem.ts')

const { port } = argument<{ readonly port: number }>()
const plenty = { perSecond: 10_000_000, burst: 10_000_000 }
const web = await webCertificate('localhost')
const listening = Promise.withResolvers<void>()
const log: Log = {
  ...silentLog,
  info: (said) => void (said === 'access tokens are issued' && listening.resolve()),
}
const servedBy = new Set([SpiffeId.of(trustDomain, '/orders')])
const server = await startServer({
  folder: ownFolder(),
  log,
  overrides: {
    rateLimits: { attest: plenty, sign: plenty, call: plenty },
    oauth: {
      ...oauthSettings(web, policyFolder(allowWeb)),
      address: { host: '127.0.0.1', port },
      resources: new Map([[orders, resourceOf(orders, { servedBy })]]),
    },
  },
})
await listening.promise
await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
  entries: ['/web', '/orders'].map((path) => wireEntry({ path, parent: someAgent })),
})
const identityOf = async (path: string) => {
  const { id, chain, privateKey } = await mint(server, path)
  const cert = chain.map((der) => toPem('CERTIFICATE', der)).join('')
  return { id, cert, key: toPem('PRIVATE KEY', privateKey) }
}
say({ ca: web.ca, web: await identityOf('/web'), orders: await identityOf('/orders') })
process.once('SIGTERM', () => void server.stop().then(() => process.exit()))
