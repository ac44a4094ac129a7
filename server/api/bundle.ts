import type { Bundle, JwtAuthority } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import { authoritiesFromWire, bundleToWire, maskBundle } from '../../src/rpc/convert.ts'
import type { AppendBundleRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/AppendBundleRequest.ts'
import type { GetBundleRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/GetBundleRequest.ts'
import type { GetFederatedBundleRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/GetFederatedBundleRequest.ts'
import type { ListFederatedBundlesRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/ListFederatedBundlesRequest.ts'
import type { PublishJWTAuthorityRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/PublishJWTAuthorityRequest.ts'
import { type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Caller } from '../access/caller.ts'
import { appendToOwn } from '../bundle/append.ts'
import { bundleNotFound } from '../bundle/federated.ts'
import { openCursor, pageSizeOf, sealCursor } from '../entry/cursor.ts'
import { type ApiDeps, actOf } from './deps.ts'
import { federatedBundleHandlers } from './federated-bundle.ts'
import { fittingPage, sizeOfBundle } from './message-size.ts'

/** Page tokens of bundles and of entries are sealed apart. */
const cursorScope = { id: 'bundles' } as const

type Deps = Pick<
  ApiDeps,
  | 'trustDomain'
  | 'store'
  | 'changes'
  | 'clock'
  | 'index'
  | 'bundles'
  | 'cursorKey'
  | 'limits'
  | 'writeFacts'
  | 'federation'
  | 'registry'
>

/** spire.api.server.bundle.v1.Bundle */
export function bundleHandlers(deps: Deps): Record<string, RpcHandler<Caller>> {
  const { bundles } = deps
  return {
    ...federatedBundleHandlers(deps),
    CountBundles: unary(() => ({ count: 1 + bundles.federated().length })),
    GetBundle: unary(({ output_mask }: GetBundleRequest) =>
      maskBundle(bundleToWire(bundles.own()), output_mask),
    ),
    AppendBundle: unary(async (request: AppendBundleRequest, { caller }) => {
      return maskBundle(
        bundleToWire(await appendToOwn(deps, authoritiesFromWire(request), actOf(caller))),
        request.output_mask,
      )
    }),
    PublishJWTAuthority: unary(async (request: PublishJWTAuthorityRequest, { caller }) => {
      deps.limits.sign.take(caller.id ?? '')
      const given = authoritiesFromWire({
        x509_authorities: [],
        jwt_authorities: request.jwt_authority === null ? [] : [request.jwt_authority],
      })
      checkPublished(given.jwtAuthorities)
      const bundle = await appendToOwn(deps, given, actOf(caller))
      return { jwt_authorities: bundleToWire(bundle).jwt_authorities }
    }),
    GetFederatedBundle: unary((request: GetFederatedBundleRequest) => {
      const name = TrustDomain.parseIdOrName(request.trust_domain)
      if (name === deps.trustDomain) throw ownNotFederated()
      const bundle = bundles.federated().find(({ trustDomain }) => trustDomain === name)
      if (bundle === undefined) throw bundleNotFound()
      return maskBundle(bundleToWire(bundle), request.output_mask)
    }),
    ListFederatedBundles: unary((request: ListFederatedBundlesRequest) => {
      const page = pageOf(bundles.federated(), request, deps.cursorKey)
      return {
        bundles: page.bundles.map((bundle) =>
          maskBundle(bundleToWire(bundle), request.output_mask),
        ),
        next_page_token: page.nextPageToken,
      }
    }),
  }
}

/** A key that a nested server publishes without its end would stay for ever. */
function checkPublished(keys: readonly JwtAuthority[]): void {
  if (keys.length === 1 && keys[0]?.expiresAt !== undefined) return
  throw new CountersignError('invalid', 'missing JWT authority, or the time when it ends', {
    reason: 'bundle-jwt-authority',
  })
}

function ownNotFederated(): CountersignError {
  return new CountersignError(
    'invalid',
    `getting a federated bundle for the server's own trust domain is not allowed`,
    { reason: 'bundle-own', fix: 'ask for the own bundle' },
  )
}

function pageOf(
  bundles: readonly Bundle[],
  asked: { readonly page_size: number; readonly page_token: string },
  cursorKey: Buffer,
): { readonly bundles: readonly Bundle[]; readonly nextPageToken: string } {
  const size = pageSizeOf(asked.page_size)
  const after = openCursor(cursorKey, cursorScope, asked.page_token)
  const rest = bundles.filter(({ trustDomain }) => after === undefined || trustDomain > after)
  const page = fittingPage(rest.slice(0, size), sizeOfBundle)
  const last = rest.length > page.length ? page.at(-1) : undefined
  return {
    bundles: page,
    nextPageToken: last === undefined ? '' : sealCursor(cursorKey, cursorScope, last.trustDomain),
  }
}
