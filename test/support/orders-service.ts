import { readFileSync } from 'node:fs'
import {
  createVerifier,
  type RevocationFeed,
  revocationFeed,
  type Verifier,
} from 'countersign/resource-server'
import type { FeedLocation } from '../../src/revocation/https-feed.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { ask, issuer, orders, resourceOf } from './oauth.ts'
import { reasonOf } from './reason-of.ts'
import {
  mint,
  mintJwt,
  someAgent,
  type TestIdentity,
  trustDomain,
  wireEntry,
} from './running-server.ts'
import { shownBy } from './shown.ts'
import { startTokenServer, type TokenServer } from './token-server.ts'

/** The service `orders`, which asks nobody about a token: it has the server's keys and its feed. */
export interface OrdersService {
  /** Whose tokens it takes; `web` gets some, unless a policy says otherwise. */
  readonly server: TokenServer
  readonly identity: TestIdentity
  readonly feed: RevocationFeed
  readonly verifier: Verifier
  /** Why the service refuses this token; `accepted` where it does not. A feed that a busy machine let get old is waited for. */
  verdict(token: string): Promise<string>
  /** How a caller with this certificate reaches the feed. */
  feedFor(identity: TestIdentity): FeedLocation
  /** Another reader of the feed, which does not run yet. */
  newReader(): RevocationFeed
  /** Ends the service; the server goes on. */
  stop(): void
}

/** A server with one resource, and the service behind it, which has read the feed by now. */
export async function startOrdersService(
  options: {
    readonly feedBy?: 'x509-svid' | 'jwt-svid'
    /** As of `revocationFeed`. */
    readonly staleAfterMs?: number
  } = {},
): Promise<OrdersService> {
  const servedBy = new Set([SpiffeId.of(trustDomain, '/orders')])
  const resources = new Map([[orders, resourceOf(orders, { maxTtlSeconds: 120, servedBy })]])
  const server = await startTokenServer({ oauth: { resources } })
  const { certificate, port } = server
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
    entries: [wireEntry({ path: '/orders', parent: someAgent })],
  })
  const identity = await mint(server, '/orders')
  const url = `https://localhost:${port}/oauth/feed`
  const ca = readFileSync(certificate.ca)
  const feedFor = (by: TestIdentity): FeedLocation => ({
    ...{ url, clientId: by.id, tls: () => ({ ca, ...shownBy(by) }) },
  })
  const byJwtSvid: FeedLocation = {
    ...{ url, tls: () => ({ ca }), jwtSvid: () => mintJwt(server, '/orders', issuer) },
  }
  const { staleAfterMs } = options
  const newReader = (): RevocationFeed =>
    revocationFeed({
      ...(staleAfterMs !== undefined && { staleAfterMs }),
      ...{ issuer, ...(options.feedBy === 'jwt-svid' ? byJwtSvid : feedFor(identity)) },
      keys: async () => (await ask(port, certificate, '/oauth/feed-keys')).body,
    })
  const feed = newReader()
  const over = new AbortController()
  void feed.run(over.signal)
  const jwks = async () => (await ask(port, certificate, '/oauth/jwks')).body
  const verifier = createVerifier({ issuer, audience: orders, jwks, revocations: feed })
  await eventually(() => feed.fresh())
  const verdict = async (token: string): Promise<string> => {
    for (;;) {
      const reason = await reasonOf(verifier.verify(token))
      if (reason !== 'revocation-unknown') return reason
      await eventually(() => feed.fresh())
    }
  }
  return {
    ...{ server, identity, feed, verifier, verdict, feedFor, newReader },
    stop: () => over.abort(),
  }
}
