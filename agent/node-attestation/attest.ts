import type { Bundle } from '../../src/bundle/bundle.ts'
import { CountersignError } from '../../src/errors.ts'
import { createClient } from '../../src/rpc/client.ts'
import { bundleFromWire } from '../../src/rpc/convert.ts'
import type { RpcChannel } from '../../src/rpc/dial.ts'
import type { Secret } from '../../src/runtime/secret.ts'
import { isAgentId } from '../../src/spiffe-id/reserved.ts'
import { SpiffeId, type TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { verifyX509Svid, type X509Svid, x509SvidFrom } from '../../src/svid/x509-svid.ts'
import { readCertificate } from '../../src/x509/certificate.ts'
import type { StoredIdentity } from '../key-store/key-store.ts'
import { makeNewKey, type NewKey } from './new-key.ts'

const agentService = 'spire.api.server.agent.v1.Agent'
const timeoutMs = 20_000

export interface AttestDeps {
  readonly trustDomain: TrustDomain
  /** The server has been verified before the channel lets a byte through. */
  readonly channel: RpcChannel
  readonly now: () => Date
}

/** The bundle of the trust domain, over a connection whose server was verified. */
export async function fetchBundle(
  { trustDomain, channel }: Pick<AttestDeps, 'trustDomain' | 'channel'>,
  signal: AbortSignal,
): Promise<Bundle> {
  const client = createClient('spire.api.server.bundle.v1.Bundle', channel)
  const bundle = bundleFromWire(await client.unary('GetBundle', {}, { signal, timeoutMs }))
  if (bundle.trustDomain !== trustDomain || bundle.x509Authorities.length === 0) {
    throw new CountersignError('unauthenticated', 'the server sent the bundle of another', {
      reason: 'server-bundle',
    })
  }
  return bundle
}

/** Proves this node with a join token. Throws what the server answers. */
export async function joinWithToken(
  deps: AttestDeps,
  token: Secret,
  bundle: Bundle,
  signal: AbortSignal,
): Promise<StoredIdentity> {
  const key = await makeNewKey()
  const call = createClient(agentService, deps.channel).bidi('AttestAgent', { signal, timeoutMs })
  call.send({
    params: {
      data: { type: 'join_token', payload: Buffer.from(token.reveal(), 'utf8') },
      params: { csr: key.csr },
    },
  })
  for await (const { result } of call.responses) {
    const chain = result?.svid?.cert_chain
    if (result === undefined || result === null || chain === undefined) break
    return {
      current: checkAgentSvid(deps, chain, key, bundle),
      pending: undefined,
      canReattest: result.reattestable,
    }
  }
  throw new CountersignError('unauthenticated', 'the server did not answer the join token', {
    reason: 'attest-unanswered',
  })
}

/** Asks for the next SVID of this agent; pending there until it is used. */
export async function renewAgentSvid(
  deps: AttestDeps,
  agentId: SpiffeId,
  bundle: Bundle,
  signal: AbortSignal,
): Promise<X509Svid> {
  const key = await makeNewKey()
  const { svid } = await createClient(agentService, deps.channel).unary(
    'RenewAgent',
    { params: { csr: key.csr } },
    { signal, timeoutMs },
  )
  const renewed = checkAgentSvid(deps, svid?.cert_chain ?? [], key, bundle)
  if (renewed.spiffeId !== agentId) throw wrongSvid('it names another agent')
  return renewed
}

/**
 * What came back is an agent's SVID of this trust domain, for our key, under the bundle. Whether it is
 * valid by this machine's clock is not asked: the server has just signed it, and where the clocks
 * differ it is the server's that counts when it is shown.
 */
function checkAgentSvid(
  deps: AttestDeps,
  wireChain: readonly Buffer[],
  key: NewKey,
  bundle: Bundle,
): X509Svid {
  const chain = wireChain.map((der) => Buffer.from(der))
  const { spiffeId, leaf } = verifyX509Svid(
    chain,
    { bundleOf: (name) => (name === bundle.trustDomain ? bundle : undefined) },
    withinLife(chain, deps.now()),
  )
  if (SpiffeId.trustDomainOf(spiffeId) !== deps.trustDomain || !isAgentId(spiffeId)) {
    throw wrongSvid('it names no agent of this trust domain')
  }
  if (!leaf.spki.equals(key.spki)) throw wrongSvid('it is for another key')
  return x509SvidFrom(chain, key.privateKey)
}

/** `now`, or the end of the leaf's life that is nearer to it. */
function withinLife([leaf]: readonly Buffer[], now: Date): Date {
  if (leaf === undefined) return now
  const { notBefore, notAfter } = readCertificate(leaf)
  if (now < notBefore) return notBefore
  return now > notAfter ? notAfter : now
}

function wrongSvid(why: string): CountersignError {
  return new CountersignError('unauthenticated', `the server sent a wrong SVID: ${why}`, {
    reason: 'agent-svid',
  })
}
