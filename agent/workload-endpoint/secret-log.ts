import type { Clock } from '../../src/runtime/clock.ts'
import type { Fields, Log } from '../../src/runtime/log.ts'
import type { Absent } from '../sds/session.ts'
import type { Peer } from './peer.ts'

const logEveryMs = 1000
const maxNames = 4
const maxMessageLength = 1024

/** Tells operators what goes wrong with SDS. */
export interface SecretLog {
  refused(peer: Peer, message: string): void
  absent(peer: Peer, absent: readonly Absent[]): void
}

/** Callers can provoke each line at will: one of a kind and user in a second, the rest is counted. */
export function createSecretLog(log: Log, clock: Clock): SecretLog {
  const last = new Map<string, { ms: number; unlogged: number }>()
  const write = (kind: string, { caller }: Peer, message: string, fields: Fields): void => {
    const { uid, pid } = caller.credentials
    const key = `${kind} ${uid}`
    const nowMs = clock.monotonicMs()
    const before = last.get(key)
    if (before !== undefined && nowMs - before.ms < logEveryMs) {
      before.unlogged += 1
      return
    }
    if (last.size >= maxRemembered) last.clear()
    last.set(key, { ms: nowMs, unlogged: 0 })
    log.warn(message, { uid, pid, ...fields, unlogged: before?.unlogged ?? 0 })
  }
  return {
    refused(peer, message) {
      write(
        'refused',
        peer,
        'a workload did not take what SDS sent; it is not sent again until it changes',
        {
          said: message.slice(0, maxMessageLength),
        },
      )
    },
    absent(peer, absent) {
      write('absent', peer, 'a workload asked SDS for what there is not', {
        why: absent.slice(0, maxNames).map(({ error }) => error.message),
        fix: absent[0]?.error.fix,
        names: absent.length,
      })
    },
  }
}

const maxRemembered = 1024
