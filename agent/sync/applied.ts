import type { RpcChannel } from '../../src/rpc/dial.ts'
import type { Log } from '../../src/runtime/log.ts'
import { version } from '../../src/runtime/version.ts'
import type { AgentIdentity } from '../node-attestation/identity.ts'
import { postStatus } from './server-calls.ts'
import type { AgentState } from './state.ts'

/** What each applied group means beyond the cache; the version is told once a connection. */
export function reporting(parts: {
  readonly state: AgentState
  readonly identity: AgentIdentity
  readonly channel: () => RpcChannel
  readonly log: Log
  readonly signal: AbortSignal
}): () => void {
  let told: unknown
  return () => {
    const { state, identity, channel, log, signal } = parts
    state.contact()
    identity.accepted().catch((error: unknown) => {
      log.error('the renewed SVID could not be saved', { error })
    })
    const current = channel()
    if (told === current) return
    told = current
    postStatus(channel, version, signal).catch((error: unknown) => {
      log.debug('the server did not take the status', { error })
    })
  }
}
