import { asCountersignError } from '../../src/errors.ts'
import type { IdentitySource } from '../../src/mtls/identity-source.ts'
import type { Log } from '../../src/runtime/log.ts'
import { untilAborted } from '../../src/runtime/until-aborted.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import type { BrokerConfig } from './config.ts'

/** The broker's own identity, and by which bundles callers are checked. */
export interface OwnSource extends IdentitySource {
  close(): Promise<void>
}

/** Waits for an agent that is not there yet, and for the SVID that is to be the broker's. Rejects as `X509Source.open`. */
export async function openOwnSource(
  { socket, spiffeId }: Pick<BrokerConfig, 'socket' | 'spiffeId'>,
  log: Log,
  signal: AbortSignal,
): Promise<OwnSource> {
  const source = await X509Source.open({
    ...(socket !== undefined && { endpoint: `unix://${socket}` }),
    signal,
    keepAlive: true,
    onError: (error) => log.warn('the Workload API does not answer as it should', { error }),
  })
  const own: OwnSource = {
    svid: () => source.svid(spiffeId === undefined ? {} : { spiffeId }),
    bundleOf: (trustDomain) => source.bundleOf(trustDomain),
    onUpdate: (listener) => source.onUpdate(listener),
    close: () => source.close(),
  }
  try {
    await untilIdentified(own, log, signal)
    return own
  } catch (error) {
    await own.close()
    throw error
  }
}

/** An agent may have other SVIDs for this process, and this one later: its entry is on its way. */
async function untilIdentified(own: OwnSource, log: Log, signal: AbortSignal): Promise<void> {
  for (;;) {
    const changed = Promise.withResolvers<void>()
    const stop = own.onUpdate(() => changed.resolve())
    try {
      own.svid()
      return
    } catch (thrown) {
      const error = asCountersignError(thrown)
      // What ended the stream for good is followed by nothing.
      if (error.code !== 'unavailable') throw error
      log.warn('the broker waits for its SVID', { error })
      await untilAborted(changed.promise, signal)
    } finally {
      stop()
    }
  }
}
