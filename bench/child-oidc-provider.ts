// npm oidc-provider doing the same over the same TLS: client_credentials with private_key_jwt, one resource, ES256
// access tokens. It keeps nothing durable and has neither policy nor trail. Argument: { web, issuer, resource, client }.
import { generateKeyPairSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
// @ts-expect-error: it comes without types
import { Provider } from 'oidc-provider'
import type { WebCertificate } from '../test/support/web-certificate.ts'
import { argument, say } from './support/child.ts'

const { web, issuer, resource, client } = argument<{
  readonly web: WebCertificate
  readonly issuer: string
  readonly resource: string
  readonly client: { readonly id: string; readonly key: Record<string, unknown> }
}>()
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const own = { ...privateKey.export({ format: 'jwk' }), kid: 'k', alg: 'ES256', use: 'sig' }
const provider = new Provider(issuer, {
  jwks: { keys: [own] },
  clientAuthMethods: ['private_key_jwt'],
  scopes: ['orders:read', 'orders:write'],
  clients: [
    {
      client_id: client.id,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      id_token_signed_response_alg: 'ES256',
      grant_types: ['client_credentials'],
      redirect_uris: [],
      response_types: [],
      jwks: { keys: [client.key] },
    },
  ],
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
const server = createServer(
  { cert: readFileSync(web.certificate), key: readFileSync(web.key), keepAliveTimeout: 60_000 },
  provider.callback(),
)
server.listen(0, '127.0.0.1', () => say({ port: (server.address() as AddressInfo).port }))
process.once('SIGTERM', () => process.exit())
