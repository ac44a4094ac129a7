// A server with tokens, as it runs for everybody: TLS, a durable trail, the store, a policy. Argument:
// { folder, web, services, decided }; of the services each serves its own resource. For `decided` each workload is
// another question.
import { enableCompileCache } from 'node:module'
import type { Resource } from '../server/oauth/resource-settings.ts'
import { silentLog } from '../src/runtime/log.ts'
import type { WebCertificate } from '../test/support/web-certificate.ts'
import { argument, say } from './support/child.ts'

enableCompileCache()
const { startServer } = await import('../test/support/running-server.ts')
const { oauthSettings, policyFolder, resourceOf } = await import('../test/support/oauth.ts')
const { SpiffeId } = await import('../src/spiffe-id/spiffe-id.ts')

const plenty = { perSecond: 10_000_000, burst: 10_000_000 }
const { folder, web, services, decided } = argument<{
  readonly folder: string
  readonly web: WebCertificate
  readonly services: readonly { readonly resource: string; readonly spiffeId: string }[]
  readonly decided: string
}>()
const policy = policyFolder(`
@id("bench") permit (principal is Workload, action in Action::"getToken", resource)
when { ["orders:read", "orders:write"].containsAll(context.scopes) && context.ttl <= 300 };
@id("decided") forbid (principal is Workload, action in Action::"getToken", resource == Api::"${decided}")
unless { principal.path like "/d*" };`)
const resources = new Map([
  [decided, resourceOf(decided)],
  ...services.map(({ resource, spiffeId }): [string, Resource] => [
    resource,
    resourceOf(resource, { servedBy: new Set([SpiffeId.parse(spiffeId)]) }),
  ]),
])
const listening = Promise.withResolvers<number>()
const server = await startServer({
  folder,
  log: {
    ...silentLog,
    info(message, fields) {
      if (message !== 'access tokens are issued') return
      listening.resolve(Number(String(fields?.['address']).split(':').at(-1)))
    },
  },
  overrides: {
    rateLimits: { attest: plenty, sign: plenty, call: plenty },
    oauth: { ...oauthSettings(web, policy), resources },
  },
})
say({ port: await listening.promise, adminSocket: server.config.adminSocket })
process.once('SIGTERM', () => void server.stop().then(() => process.exit()))
