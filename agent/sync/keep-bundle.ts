import type { Bundle } from '../../src/bundle/bundle.ts'
import type { Log } from '../../src/runtime/log.ts'
import { aborted } from '../../src/runtime/tasks.ts'
import type { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import type { Cache } from '../cache/cache.ts'
import type { ServerTrust } from '../node-attestation/server-trust.ts'

/** The bundle that the server is checked with, here and after the next start, is the newest one. */
export async function keepBundle(
  parts: {
    readonly cache: Cache
    readonly trustDomain: TrustDomain
    readonly trust: Pick<ServerTrust, 'adopt'>
    readonly store: { saveBundle(bundle: Bundle): Promise<void> }
    readonly log: Log
  },
  signal: AbortSignal,
): Promise<void> {
  const { cache, trustDomain, trust, store, log } = parts
  let held: unknown
  let saving: Promise<void> = Promise.resolve()
  const take = (): void => {
    const bundle = cache.bundleOf(trustDomain)
    if (bundle === undefined || bundle === held) return
    held = bundle
    trust.adopt(bundle)
    saving = saving
      .then(() => store.saveBundle(bundle))
      .catch((error: unknown) => log.error('the bundle could not be saved', { error }))
  }
  take()
  const ignore = cache.listen(take)
  await aborted(signal)
  ignore()
  await saving
}
