// npm oidc-provider doing the same over the same TLS: client_credentials with private_key_jwt, one resource, ES256
// access tokens. It keeps what it knows in memory, and has no policy. With `trail`, a file, each token is on durable
// record before it leaves, in the barest way: a line of JSON, one synced write for all that wait, no chain, no copy.
// Of clients it knows one by its settings, and all of `bench-…` from its store, which makes each of its name: it remembers
// a thousand of those. Argument: { web, issuer, resource, client, trail }.
import { generateKeyPairSync } from 'node:crypto'
import { constants, readFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
// @ts-expect-error: it comes without types
import { Provider } from 'oidc-provider'
// @ts-expect-error: it comes without types
import MemoryAdapter from 'oidc-provider/lib/adapters/memory_adapter.js'
import type { WebCertificate } from '../test/support/web-certificate.ts'
import { argument, say } from './support/child.ts'

const { web, issuer, resource, client, trail } = argument<{
  readonly web: WebCertificate
  readonly issuer: string
  readonly resource: string
  readonly client: { readonly id: string; readonly key: Record<string, unknown> }
  readonly trail?: string
}>()
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const own = { ...privateKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES256', use: 'sig' }
const settingsOf = (id: string) => ({
  client_id: id,
  token_endpoint_auth_method: 'private_key_jwt',
  token_endpoint_auth_signing_alg: 'ES256',
  id_token_signed_response_alg: 'ES256',
  grant_types: ['client_credentials'],
  redirect_uris: [],
  response_types: [],
  jwks: { keys: [client.key] },
})
class Stored extends MemoryAdapter {
  async find(id: string): Promise<unknown> {
    return id.startsWith(`${client.id}-`) ? settingsOf(id) : super.find(id)
  }
}
const provider = new Provider(issuer, {
  jwks: { keys: [own] },
  clientAuthMethods: ['private_key_jwt'],
  scopes: ['orders:read', 'orders:write'],
  clients: [settingsOf(client.id)],
  adapter: Stored,
  features: {
    devInteractions: { enabled: false },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        scope: 'orders:read orders:write',
        audience: resource,
        accessTokenFormat: 'jwt',
        accessTokenTTL: 300,
        jwt: { sign: { alg: 'ES256' } },
      }),
    },
  },
})
if (trail !== undefined) {
  const append = await appender(trail)
  provider.use(
    async ({ oidc, ip }: { oidc?: Issuing; ip: string }, handled: () => Promise<void>) => {
      await handled()
      const token = oidc?.entities?.['ClientCredentials']
      if (token === undefined) return
      const { clientId, jti, scope, aud } = token
      const event = { kind: 'token.issued', ip, clientId, jti, scope, aud }
      await append(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`)
    },
  )
}
const server = createServer(
  { cert: readFileSync(web.certificate), key: readFileSync(web.key), keepAliveTimeout: 60_000 },
  provider.callback(),
)
server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }))
process.once('SIGTERM', () => process.exit())

interface Issuing {
  readonly entities?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

/** Resolves once the line is on disk, together with those that came while the last write was under way. */
async function appender(path: string): Promise<(line: string) => Promise<unknown>> {
  const { O_WRONLY, O_CREAT, O_APPEND, O_DSYNC } = constants
  const file = await open(path, O_WRONLY | O_CREAT | O_APPEND | O_DSYNC, 0o600)
  let waiting = ''
  let last: Promise<unknown> = Promise.resolve()
  let next: Promise<unknown> | undefined
  return (line) => {
    waiting += line
    next ??= last.then(() => {
      const lines = waiting
      waiting = ''
      next = undefined
      last = file.write(lines)
      return last
    })
    return next
  }
}
