import type { FastifyInstance } from 'fastify'
import { algorithmFor } from '../../src/jwt/algorithm.ts'
import type { Ca } from '../ca/ca.ts'
import { keySetDocument, maxAgeSeconds } from '../documents/key-set.ts'
import { metadataDocument, paths } from './documents.ts'
import type { OauthSettings } from './settings.ts'

/** Metadata and keys, for everybody. */
export function addDocuments(
  app: FastifyInstance,
  settings: Pick<OauthSettings, 'issuer' | 'resources' | 'federation' | 'federationFile'>,
  deps: { readonly ca: Pick<Ca, 'state'>; readonly authorityTtlSeconds: number },
): void {
  const scopes = [...new Set([...settings.resources.values()].flatMap((one) => one.scopes))].sort()
  const signing = () => algorithmFor(deps.ca.state('oauth').active?.keyKind ?? 'ec-p256')
  const takesAssertions = settings.federation.size > 0 || settings.federationFile !== undefined
  const maxAge = maxAgeSeconds(deps.authorityTtlSeconds)
  const documents: Record<string, () => string> = {
    [paths.metadata]: () => metadataDocument(settings.issuer, scopes, signing(), takesAssertions),
    [paths.keys]: () => keysOf(deps.ca, 'oauth'),
    [paths.feedKeys]: () => keysOf(deps.ca, 'feed'),
  }
  for (const [path, document] of Object.entries(documents)) {
    addDocument(app, path, maxAge, document)
  }
}

/** JSON for everybody, to be kept for `maxAge` seconds. */
export function addDocument(
  app: FastifyInstance,
  path: string,
  maxAge: number,
  document: () => string,
): void {
  app.get(path, (_request, reply) =>
    reply
      .header('cache-control', `public, max-age=${maxAge}, must-revalidate`)
      .header('x-content-type-options', 'nosniff')
      .type('application/json')
      .send(document()),
  )
}

/** The public keys of a set, those that do not sign yet and those that did too: a JWK Set. */
export function keysOf(ca: Pick<Ca, 'state'>, kind: 'oauth' | 'feed' | 'events'): string {
  const { active, prepared, old } = ca.state(kind)
  const keys = [prepared, active, ...old].flatMap((one) => one ?? [])
  return keySetDocument(keys.map(({ id, publicKey }) => ({ keyId: id, publicKey })))
}
