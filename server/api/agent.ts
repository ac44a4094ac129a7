import { CountersignError } from '../../src/errors.ts'
import { spiffeIdFromWire, x509SvidToWire } from '../../src/rpc/convert.ts'
import type { AttestAgentRequest } from '../../src/rpc/gen/spire/api/server/agent/v1/AttestAgentRequest.ts'
import type { AttestAgentResponse$Input } from '../../src/rpc/gen/spire/api/server/agent/v1/AttestAgentResponse.ts'
import type { BanAgentRequest } from '../../src/rpc/gen/spire/api/server/agent/v1/BanAgentRequest.ts'
import type { CountAgentsRequest } from '../../src/rpc/gen/spire/api/server/agent/v1/CountAgentsRequest.ts'
import type { CreateJoinTokenRequest } from '../../src/rpc/gen/spire/api/server/agent/v1/CreateJoinTokenRequest.ts'
import type { DeleteAgentRequest } from '../../src/rpc/gen/spire/api/server/agent/v1/DeleteAgentRequest.ts'
import type { GetAgentRequest } from '../../src/rpc/gen/spire/api/server/agent/v1/GetAgentRequest.ts'
import type { ListAgentsRequest } from '../../src/rpc/gen/spire/api/server/agent/v1/ListAgentsRequest.ts'
import type { PostStatusRequest } from '../../src/rpc/gen/spire/api/server/agent/v1/PostStatusRequest.ts'
import type { RenewAgentRequest } from '../../src/rpc/gen/spire/api/server/agent/v1/RenewAgentRequest.ts'
import { bidiStream, type RpcHandler, unary } from '../../src/rpc/handler.ts'
import { type Caller, type PeerSvid, shareOf } from '../access/caller.ts'
import { createNodeToken } from '../node/create-token.ts'
import {
  agentNotFound,
  attestAgent,
  banAgent,
  evictAgent,
  renewAgent,
  setAgentVersion,
} from '../node/lifecycle.ts'
import { agentToWire, matchesFilter, pageOfAgents } from './agent-list.ts'
import { type ApiDeps, actOf } from './deps.ts'
import { nextRequest } from './next-request.ts'

const maxVersionLength = 255

type Deps = Pick<ApiDeps, 'index' | 'nodes' | 'registry' | 'limits' | 'cursorKey' | 'clock'>

/** spire.api.server.agent.v1.Agent */
export function agentHandlers(deps: Deps): Record<string, RpcHandler<Caller>> {
  const { index, nodes } = deps
  return {
    CountAgents: unary(({ filter }: CountAgentsRequest) => ({
      count: index.agents().filter(matchesFilter(filter)).length,
    })),
    ListAgents: unary((request: ListAgentsRequest) =>
      pageOfAgents(index.agents(), request, deps.cursorKey),
    ),
    GetAgent: unary((request: GetAgentRequest) => {
      const agent = index.agent(spiffeIdFromWire(request.id))
      if (agent === undefined) throw agentNotFound()
      return agentToWire(agent, request.output_mask)
    }),
    DeleteAgent: unary(async (request: DeleteAgentRequest, { caller }) => {
      await evictAgent(nodes, spiffeIdFromWire(request.id), actOf(caller))
      return {}
    }),
    BanAgent: unary(async (request: BanAgentRequest, { caller }) => {
      await banAgent(nodes, spiffeIdFromWire(request.id), actOf(caller))
      return {}
    }),
    CreateJoinToken: unary(async (request: CreateJoinTokenRequest, { caller }) => {
      const { token, expiresAt } = await createNodeToken(
        { ...nodes, registry: deps.registry },
        {
          ttlSeconds: request.ttl,
          given: request.token === '' ? undefined : request.token,
          alias: request.agent_id === null ? undefined : spiffeIdFromWire(request.agent_id),
        },
        actOf(caller),
      )
      return { value: token.reveal(), expires_at: Math.floor(expiresAt.getTime() / 1000) }
    }),
    RenewAgent: unary(async ({ params }: RenewAgentRequest, { caller }) => {
      const shown = requireSvid(caller)
      deps.limits.sign.take(shown.spiffeId)
      const svid = await renewAgent(nodes, shown, params?.csr ?? Buffer.alloc(0), actOf(caller))
      return { svid: x509SvidToWire(svid) }
    }),
    PostStatus: unary(async (request: PostStatusRequest, { caller }) => {
      if (request.agent_version.length > maxVersionLength) {
        throw new CountersignError(
          'invalid',
          `a version has at most ${maxVersionLength} characters`,
          {
            reason: 'agent-version',
          },
        )
      }
      await setAgentVersion(nodes, requireSvid(caller).spiffeId, request.agent_version)
      return {}
    }),
    AttestAgent: bidiStream((requests: AsyncIterable<AttestAgentRequest>, { caller }) =>
      attest(deps, caller, requests),
    ),
  }
}

/** Parameters, then as many challenges as the attestor asks for, then the SVID. */
async function* attest(
  deps: Deps,
  caller: Caller,
  requests: AsyncIterable<AttestAgentRequest>,
): AsyncGenerator<AttestAgentResponse$Input> {
  const { peer } = caller
  if (peer.transport === 'tls') deps.limits.attest.take(shareOf(peer.address))
  const incoming = requests[Symbol.asyncIterator]()
  const first = await nextRequest(deps.clock, incoming)
  const params = first.done === true ? undefined : first.value.params
  if (params?.data === undefined || params.data === null) {
    throw new CountersignError('invalid', 'the first message holds the parameters', {
      reason: 'attest-params',
    })
  }
  const challenges: { readonly bytes: Buffer; answer(response: Buffer): void }[] = []
  let wake: (() => void) | undefined
  const attested = attestAgent(
    deps.nodes,
    params.data.type,
    {
      payload: params.data.payload,
      challenge: (bytes) =>
        new Promise((answer) => {
          challenges.push({ bytes, answer })
          wake?.()
        }),
    },
    params.params?.csr ?? Buffer.alloc(0),
    actOf(caller),
  )
  let settled = false
  attested
    .catch(() => {})
    .finally(() => {
      settled = true
      wake?.()
    })
  for (;;) {
    const challenge = challenges.shift()
    if (challenge !== undefined) {
      yield { challenge: challenge.bytes }
      const next = await nextRequest(deps.clock, incoming)
      if (next.done === true) return
      challenge.answer(next.value.challenge_response ?? Buffer.alloc(0))
    } else if (settled) break
    else {
      await new Promise<void>((resolve) => {
        wake = resolve
      })
    }
  }
  const { svid, canReattest } = await attested
  yield {
    result: {
      svid: x509SvidToWire(svid),
      reattestable: canReattest,
    },
  }
}

function requireSvid({ peer }: Caller): PeerSvid {
  if (peer.transport === 'tls' && peer.svid !== undefined) return peer.svid
  throw new CountersignError('unauthenticated', 'the caller has no identity', {
    reason: 'no-identity',
  })
}
