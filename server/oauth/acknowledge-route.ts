import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'
import { CountersignError } from '../../src/errors.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { type RateLimit, RateLimiter } from '../access/limits.ts'
import type { Acknowledgements } from '../revocation/acknowledgements.ts'
import { answerOf } from './answer.ts'
import { type ClientDoorDeps, createClientDoor } from './client-door.ts'
import { checkServes, nonceOf, queryOf, requestOf, sendAnswer } from './feed-route.ts'
import type { OauthSettings } from './settings.ts'

export interface AcknowledgeDeps extends ClientDoorDeps {
  readonly settings: Pick<OauthSettings, 'issuer' | 'resources'>
  readonly acknowledgements: Pick<Acknowledgements, 'take'>
  readonly observeLag: (resource: string, lagMs: number) => void
}

/**
 * Where a reader of the feed says how far it has come: it proves itself as for the feed, and `nonce` names a connection of
 * its own. `head` is the id of the last event that it has applied, `delay` for how long it has kept that to itself.
 */
export function addAcknowledge(
  app: FastifyInstance,
  path: string,
  chainOf: (socket: Socket) => readonly Buffer[] | undefined,
  deps: AcknowledgeDeps,
): void {
  const limiter = new RateLimiter(most, deps.clock)
  app.post(path, async (request, reply) => {
    const door = createClientDoor('feed', deps, async (asking) => {
      const { spiffeId } = asking.client
      checkServes(asking, deps.settings)
      const [nonce, head] = [nonceOf(request), queryOf(request, 'head')]
      const delay = queryOf(request, 'delay') ?? '0'
      if (nonce === undefined || head === undefined || !delayForm.test(delay)) throw incomplete()
      limiter.take(`${spiffeId} ${nonce}`)
      const lagMs = deps.acknowledgements.take({ spiffeId, nonce }, head, Number(delay))
      if (lagMs !== undefined) {
        for (const resource of resourcesOf(spiffeId, deps.settings))
          deps.observeLag(resource, lagMs)
      }
      return { ...answerOf({}), status: 204, body: '' }
    })
    const answer = await door.answer(requestOf(request, chainOf(request.raw.socket) ?? []))
    return sendAnswer(request, reply, answer)
  })
}

/** Milliseconds. */
const delayForm = /^[0-9]{1,6}$/
/** Of one connection: ours say it eight times a second at most. */
const most: RateLimit = { perSecond: 20, burst: 40 }

/** The resources that it serves: words of the configuration, which it is counted by. */
function* resourcesOf(
  spiffeId: SpiffeId,
  { resources }: Pick<OauthSettings, 'resources'>,
): Generator<string> {
  for (const { id, servedBy } of resources.values()) if (servedBy.has(spiffeId)) yield id
}

function incomplete(): CountersignError {
  return new CountersignError(
    'invalid',
    'nonce and head say what was applied, delay how long ago',
    {
      reason: 'request-malformed',
    },
  )
}
