import type { Bundle } from '../../src/bundle/bundle.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { authOf, type ClientDoorDeps, checkStanding, type OauthRequest } from './client-door.ts'
import { readForm } from './form.ts'
import { authenticateClient, type Client } from './spiffe-client-auth.ts'

/**
 * Asks of a client that is served for minutes whether it would be let in now. What it has shown is verified anew where
 * another bundle is there than before, and the first time: since it was let in, that may have changed. What is good once is
 * not used up again. The result throws, or its promise rejects, as `checkStanding` and `authenticateClient`.
 */
export function stillGood(
  request: OauthRequest,
  client: Client,
  deps: ClientDoorDeps,
): () => Promise<void> | undefined {
  let vouchedBy: Bundle | undefined
  return () => {
    checkStanding(client, deps)
    const bundle = deps.bundles.bundleOf(SpiffeId.trustDomainOf(client.spiffeId))
    if (bundle !== undefined && bundle === vouchedBy) return undefined
    const form = readForm(request.body)
    return authenticateClient({ ...request, form }, authOf(deps)).then(() => {
      vouchedBy = bundle
    })
  }
}
