import { fastify } from 'fastify'
import { expect, test } from 'vitest'
import type { Ca } from '../../../../server/ca/ca.ts'
import { addDocuments } from '../../../../server/oauth/documents-route.ts'
import { generateKeyPair, type KeyKind, spkiOf } from '../../../../src/x509/key.ts'
import { issuer, orders, resourceOf } from '../../../support/oauth.ts'

const stock = 'https://stock.example.org'
const resources = new Map(
  [resourceOf(orders), resourceOf(stock, { scopes: ['stock:read', 'orders:read', 'a'] })].map(
    (resource) => [resource.id, resource],
  ),
)

/** Asks for documents while these keys are there. */
async function documents(keyKind: KeyKind) {
  const { publicKey } = await generateKeyPair(keyKind)
  const key = (id: string) => ({ id, keyKind, publicKey: spkiOf(publicKey) })
  const state = (kind: string) => ({
    ...{ active: key(`${kind}-now`), prepared: key(`${kind}-next`) },
    old: [key(`${kind}-before`), key(`${kind}-long-before`)],
  })
  const settings = { issuer, resources, federation: new Map(), federationFile: undefined }
  const app = fastify()
  const ca = { state } as unknown as Pick<Ca, 'state'>
  addDocuments(app, settings, { ca, authorityTtlSeconds: 86_400 })
  return async (path: string) => (await app.inject(path)).json()
}

test('RFC 9701 §7 the metadata say by which algorithm introspection answers, as keys are by now', async () => {
  for (const [keyKind, algorithm] of [
    ['ec-p256', 'ES256'],
    ['rsa-2048', 'RS256'],
  ] as const) {
    const read = await documents(keyKind)
    expect(await read('/.well-known/oauth-authorization-server')).toMatchObject({
      ...{ issuer, introspection_signing_alg_values_supported: [algorithm] },
      scopes_supported: ['a', 'orders:read', 'orders:write', 'stock:read'],
    })
  }
})

test('keys are published before they sign and after, those of the feed by themselves', async () => {
  const read = await documents('ec-p256')
  for (const [path, kind] of [
    ['/oauth/jwks', 'oauth'],
    ['/oauth/feed-keys', 'feed'],
  ] as const) {
    const { keys } = (await read(path)) as { readonly keys: readonly { readonly kid: string }[] }
    expect(keys.map(({ kid }) => kid).sort()).toEqual(
      ['before', 'long-before', 'next', 'now'].map((name) => `${kind}-${name}`),
    )
  }
})
