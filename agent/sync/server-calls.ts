import { CountersignError } from '../../src/errors.ts'
import { createClient } from '../../src/rpc/client.ts'
import type { RpcChannel } from '../../src/rpc/dial.ts'
import { itemError } from '../../src/rpc/status.ts'
import type { IssueJwt } from '../cache/jwt.ts'
import type { PollCalls } from './poll.ts'
import type { SignBatch } from './renew.ts'
import type { SyncStream } from './stream.ts'

/** The connection of this moment; another one after each change of the agent's own SVID. */
export type Channel = () => RpcChannel

const batchTimeoutMs = 30_000
const tokenTimeoutMs = 10_000
const pollTimeoutMs = 30_000

export function openSync(channel: Channel): (signal: AbortSignal) => SyncStream {
  return (signal) => createClient('countersign.sync.v1.Sync', channel()).bidi('Follow', { signal })
}

export function pollCalls(channel: Channel): PollCalls {
  const entries = () => createClient('spire.api.server.entry.v1.Entry', channel())
  const bundles = () => createClient('spire.api.server.bundle.v1.Bundle', channel())
  const within = (signal: AbortSignal) => ({ signal, timeoutMs: pollTimeoutMs })
  return {
    syncEntries: (signal) => entries().bidi('SyncAuthorizedEntries', within(signal)),
    async allEntries(signal) {
      return (await entries().unary('GetAuthorizedEntries', {}, within(signal))).entries
    },
    ownBundle: (signal) => bundles().unary('GetBundle', {}, within(signal)),
    federatedBundle: (name, signal) =>
      bundles().unary('GetFederatedBundle', { trust_domain: name }, within(signal)),
  }
}

/** Each request has its own answer: the chain, DER, or why there is none. */
export function signBatch(channel: Channel): SignBatch {
  return async (requests, signal) => {
    const { results } = await createClient('spire.api.server.svid.v1.SVID', channel()).unary(
      'BatchNewX509SVID',
      { params: requests.map(({ entryId, csr }) => ({ entry_id: entryId, csr })) },
      { signal, timeoutMs: batchTimeoutMs },
    )
    return results.map(
      ({ status, svid }) =>
        itemError(status, 'svid-refused') ??
        (svid?.cert_chain ?? []).map((der) => Buffer.from(der)),
    )
  }
}

/** Throws what the server answers, and `unavailable`: `server-unreachable` where it does not, or `jwt-missing`. */
export function issueJwt(channel: Channel): IssueJwt {
  return async (entryId, audience, signal) => {
    const { svid } = await createClient('spire.api.server.svid.v1.SVID', channel())
      .unary(
        'NewJWTSVID',
        { entry_id: entryId, audience: [...audience] },
        { signal, timeoutMs: tokenTimeoutMs },
      )
      .catch((error: unknown) => {
        throw ofServer(error)
      })
    if (svid === null) {
      throw new CountersignError('unavailable', 'the server sent no token', {
        reason: 'jwt-missing',
      })
    }
    return svid.token
  }
}

/** A workload is told of it, which would take a connection that is refused for its own to the agent. */
function ofServer(error: unknown): unknown {
  if (!(error instanceof CountersignError) || error.code !== 'unavailable') return error
  // What a server answers brings its reason with it, and no cause.
  if (error.cause === undefined && error.reason !== 'rpc-unavailable') return error
  return new CountersignError('unavailable', 'the agent does not reach the server', {
    reason: 'server-unreachable',
    fix: 'see that the server runs, and that the agent can reach it: the log of the agent says more',
    cause: error,
  })
}

/** Tells the server which version this agent is. */
export async function postStatus(
  channel: Channel,
  version: string,
  signal: AbortSignal,
): Promise<void> {
  await createClient('spire.api.server.agent.v1.Agent', channel()).unary(
    'PostStatus',
    { agent_version: version, current_bundle_serial: 0 },
    { signal },
  )
}
