import type { Clock } from '../../src/runtime/clock.ts'
import type { Log } from '../../src/runtime/log.ts'
import type { SinkSettings } from './settings.ts'
import { SignedHeads, type SignedHeadsDeps } from './signed-heads.ts'
import { openSinks } from './sinks/open-sinks.ts'
import type { Trail } from './trail.ts'

/** What lets others hold a trail against what it was: heads that are signed, and copies elsewhere. */
export interface Witness {
  /** Signs each minute until the signal aborts, and copies; that goes on until `stop`. */
  run(signal: AbortSignal): Promise<void>
  /** Signs once more, and gives the sinks three seconds to take what there is. */
  stop(): Promise<void>
  /** Records that each sink does not have yet, by its name. */
  lag(): ReadonlyMap<string, number>
}

/** Throws `invalid` `audit-sink-ca`. */
export function openWitness(deps: {
  readonly path: string
  readonly chain: string
  readonly trail: Pick<Trail, 'append' | 'head'>
  readonly sinks: readonly SinkSettings[]
  readonly sign: SignedHeadsDeps['sign']
  readonly clock: Clock
  readonly log: Log
}): Witness {
  const { log } = deps
  if (!deps.sinks.some(leavesMachine)) {
    log.info('no copy of the audit trail goes to another machine: see audit_sinks')
  }
  const heads = new SignedHeads(deps)
  const sinks = openSinks(deps.sinks, deps)
  let copying = Promise.resolve()
  return {
    run(signal) {
      copying = sinks.run().catch((error: unknown) => {
        log.error('a sink of the audit trail has failed', { error })
      })
      return heads.run(signal)
    },
    lag: () => sinks.lag(),
    async stop() {
      await heads.sign()
      await sinks.stop()
      await copying
    },
  }
}

/** Standard output is not ours to follow. */
function leavesMachine(sink: SinkSettings): boolean {
  return sink.type === 'otlp' || (sink.type === 'syslog' && sink.to.transport !== 'unix')
}
