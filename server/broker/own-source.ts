import type { Log } from '../../src/runtime/log.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import type { BrokerConfig } from './config.ts'

/**
 * The broker's own identity, and by which bundles callers are checked. Waits for an agent that is not there yet, and for
 * the SVID that is to be the broker's. Rejects as `X509Source.open`.
 */
export function openOwnSource(
  { socket, spiffeId }: Pick<BrokerConfig, 'socket' | 'spiffeId'>,
  log: Log,
  signal: AbortSignal,
): Promise<X509Source> {
  return X509Source.open({
    ...(socket !== undefined && { endpoint: `unix://${socket}` }),
    ...(spiffeId !== undefined && { spiffeId }),
    ...{ signal, keepAlive: true },
    onError(error) {
      const isAnother = error.reason === 'source-no-such-svid'
      const what = isAnother
        ? 'the broker waits for its SVID'
        : 'the Workload API does not answer as it should'
      log.warn(what, { error })
    },
  })
}
