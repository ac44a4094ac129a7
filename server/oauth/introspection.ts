import { CountersignError } from '../../src/errors.ts'
import type { Ca } from '../ca/ca.ts'
import { answerOf, jwtAnswerOf, type OauthAnswer } from './answer.ts'
import {
  type ClientDoor,
  type ClientDoorDeps,
  type ClientRequest,
  createClientDoor,
} from './client-door.ts'
import type { OauthSettings } from './settings.ts'
import type { ShownToken, TokenReader } from './shown-token.ts'

export interface IntrospectionDeps extends ClientDoorDeps {
  readonly settings: Pick<OauthSettings, 'issuer' | 'resources'>
  readonly tokens: TokenReader
  readonly ca: Pick<Ca, 'signIntrospection'>
}

const jwtType = 'application/token-introspection+jwt'

/**
 * Says what a token is to whoever holds it and to whoever serves its resource (RFC 7662). Nobody else, and
 * nobody about a token that is not good, learns more than that it is not active.
 */
export function createIntrospectionDoor(deps: IntrospectionDeps): ClientDoor {
  const { settings, ca, clock } = deps
  return createClientDoor('introspect', deps, async (request) => {
    const said = await introspect(request, deps)
    if (!acceptsJwt(request.accept)) return answerOf(said)
    return signed(said, request, { issuer: settings.issuer, ca, now: clock.now() })
  })
}

const inactive = { active: false } as const

async function introspect(
  { form, client }: ClientRequest,
  { settings, tokens }: IntrospectionDeps,
): Promise<Readonly<Record<string, unknown>>> {
  const token = form.get('token')
  if (token === undefined) {
    throw new CountersignError('invalid', 'token is missing', { reason: 'request-token-missing' })
  }
  let shown: ShownToken
  try {
    shown = await tokens.read(token)
  } catch (error) {
    if (error instanceof CountersignError && error.code === 'unauthenticated') return inactive
    throw error
  }
  const resource = settings.resources.get(shown.audience)
  const mayKnow =
    shown.clientId === client.spiffeId || resource?.servedBy.has(client.spiffeId) === true
  return mayKnow ? { ...shown.claims, token_type: 'Bearer', active: true } : inactive
}

/** RFC 9701 §5. */
async function signed(
  said: Readonly<Record<string, unknown>>,
  { client }: Pick<ClientRequest, 'client'>,
  by: { readonly issuer: string; readonly ca: IntrospectionDeps['ca']; readonly now: Date },
): Promise<OauthAnswer> {
  const claims = {
    iss: by.issuer,
    aud: client.spiffeId,
    iat: Math.floor(by.now.getTime() / 1000),
    token_introspection: said,
  }
  return jwtAnswerOf(jwtType, await by.ca.signIntrospection(claims))
}

function acceptsJwt(accept = ''): boolean {
  return accept.split(',').some((range) => {
    const [type, ...parameters] = range.split(';').map((part) => part.trim().toLowerCase())
    return type === jwtType && !parameters.some((one) => notAcceptable.test(one))
  })
}

/** RFC 9110 §12.4.2. */
const notAcceptable = /^q=0(\.0{0,3})?$/
