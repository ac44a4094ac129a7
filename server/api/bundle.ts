import type { Bundle } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import { bundleToWire, maskBundle } from '../../src/rpc/convert.ts'
import type { GetBundleRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/GetBundleRequest.ts'
import type { GetFederatedBundleRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/GetFederatedBundleRequest.ts'
import type { ListFederatedBundlesRequest } from '../../src/rpc/gen/spire/api/server/bundle/v1/ListFederatedBundlesRequest.ts'
import { type RpcHandler, unary } from '../../src/rpc/server.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Caller } from '../access/caller.ts'
import { openCursor, pageSizeOf, sealCursor } from '../entry/cursor.ts'
import type { ApiDeps } from './deps.ts'

/** Page tokens of bundles and of entries are sealed apart. */
const cursorScope = { id: 'bundles' } as const

type Deps = Pick<ApiDeps, 'bundles' | 'cursorKey'>

/** spire.api.server.bundle.v1.Bundle */
export function bundleHandlers(deps: Deps): Record<string, RpcHandler<Caller>> {
  const { bundles } = deps
  return {
    CountBundles: unary(() => ({ count: 1 + bundles.federated().length })),
    GetBundle: unary(({ output_mask }: GetBundleRequest) =>
      maskBundle(bundleToWire(bundles.own()), output_mask),
    ),
    GetFederatedBundle: unary((request: GetFederatedBundleRequest) => {
      const name = TrustDomain.parseIdOrName(request.trust_domain)
      const bundle = bundles.federated().find(({ trustDomain }) => trustDomain === name)
      if (bundle === undefined) {
        throw new CountersignError('not-found', 'bundle not found', { reason: 'bundle-not-found' })
      }
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

function pageOf(
  bundles: readonly Bundle[],
  asked: { readonly page_size: number; readonly page_token: string },
  cursorKey: Buffer,
): { readonly bundles: readonly Bundle[]; readonly nextPageToken: string } {
  const size = pageSizeOf(asked.page_size)
  const after = openCursor(cursorKey, cursorScope, asked.page_token)
  const rest = bundles.filter(({ trustDomain }) => after === undefined || trustDomain > after)
  const page = rest.slice(0, size)
  const last = rest.length > size ? page.at(-1) : undefined
  return {
    bundles: page,
    nextPageToken: last === undefined ? '' : sealCursor(cursorKey, cursorScope, last.trustDomain),
  }
}
