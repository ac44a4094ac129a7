import type { IdentitySource } from '../../src/mtls/identity-source.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import type { Service } from './fleet.ts'
import { listenAs, meet, signerOf } from './party.ts'

/** A service that keeps the SVID and the bundle of its start: nobody tells it of anything. */
export interface Stuck extends Service {
  /** The end of what it shows. */
  readonly expiresAt: Date
  /** Who signed it. */
  readonly authority: string
  close(): Promise<void>
}

/** Fetches this ID's SVID once. Rejects where the agent has none for this process. */
export async function startStuck(id: string, socket: string): Promise<Stuck> {
  await using source = await X509Source.open({
    endpoint: `unix://${socket}`,
    signal: AbortSignal.timeout(60_000),
  })
  const svid = source.svid({ spiffeId: SpiffeId.parse(id) })
  const context = source.context()
  const kept: IdentitySource = {
    svid: () => svid,
    bundleOf: (trustDomain) => context.bundleOf(trustDomain),
    onUpdate: () => () => {},
  }
  const listener = await listenAs(kept, () => {})
  return {
    id,
    language: 'stuck',
    address: `127.0.0.1:${listener.address.port}`,
    expiresAt: svid.expiresAt,
    authority: signerOf(svid.chain[0]),
    meet: (address, expected) => meet(kept, address, expected),
    close: () => listener.close(),
  }
}
