import type { IdentitySource } from '../../src/mtls/identity-source.ts'
import type { Log } from '../../src/runtime/log.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import type { BrokerConfig } from './config.ts'

/** The broker's own identity, and by which bundles callers are checked. */
export interface OwnSource extends IdentitySource {
  close(): Promise<void>
}

/** Waits for an agent that is not there yet. Rejects as `X509Source.open`. */
export async function openOwnSource(
  { socket, spiffeId }: Pick<BrokerConfig, 'socket' | 'spiffeId'>,
  log: Log,
  signal: AbortSignal,
): Promise<OwnSource> {
  const source = await X509Source.open({
    ...(socket !== undefined && { endpoint: `unix://${socket}` }),
    signal,
    onError: (error) => log.warn('the Workload API does not answer as it should', { error }),
  })
  return {
    svid: () => source.svid(spiffeId === undefined ? {} : { spiffeId }),
    bundleOf: (trustDomain) => source.bundleOf(trustDomain),
    onUpdate: (listener) => source.onUpdate(listener),
    close: () => source.close(),
  }
}
