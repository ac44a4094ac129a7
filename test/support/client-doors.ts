import { readFileSync } from 'node:fs'
import { type Agent, request as httpsRequest } from 'node:https'
import { tokenExchangeGrant, tokenTypes } from '../../server/oauth/token-types.ts'
import { assertionType, form, formHeaders, issuer, orders } from './oauth.ts'
import type { TestIdentity } from './running-server.ts'
import { shownBy } from './shown.ts'
import type { WebCertificate } from './web-certificate.ts'

/** How a client proves itself: by assertions, by a certificate, or by both; more than one of a kind is said twice. */
export interface ClientProof {
  readonly assertion?: string | readonly string[]
  readonly identity?: TestIdentity
  /** That of the identity unless told. */
  readonly clientId?: string | readonly string[]
}

/** What a door has said, as far as its head. */
export interface DoorAnswer {
  readonly status: number
  readonly error: string | undefined
  readonly text: string
}

export type Door =
  | 'token'
  | 'exchange'
  | 'introspect'
  | 'revoke'
  | 'feed'
  | 'acknowledge'
  | 'events'

type Values = Readonly<Record<string, string>>

const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
const exchange = { grant_type: tokenExchangeGrant, subject_token_type: tokenTypes.accessToken }

/** Every door of the token service at which a client proves itself, with a request that wants nothing else. */
const doors: Readonly<Record<Door, { path: string; method: string; values?: Values }>> = {
  token: { path: '/oauth/token', method: 'POST', values: wish },
  exchange: {
    path: '/oauth/token',
    method: 'POST',
    values: { ...wish, ...exchange, subject_token: 'x' },
  },
  introspect: { path: '/oauth/introspect', method: 'POST', values: { token: 'x' } },
  revoke: { path: '/oauth/revoke', method: 'POST', values: { token: 'x' } },
  feed: { path: `/oauth/feed?nonce=${'n'.repeat(22)}`, method: 'GET' },
  acknowledge: { path: `/oauth/feed/acknowledge?nonce=${'a'.repeat(22)}&head=x`, method: 'POST' },
  events: { path: '/oauth/ssf/streams?', method: 'GET' },
}

export const doorNames: readonly Door[] = Object.keys(doors) as Door[]

export interface AskingDoor {
  readonly port: number
  readonly web: WebCertificate
  /** From this address of the loopback network: each has a share of its own. */
  readonly from: string
  /** In place of what the door is asked. */
  readonly values?: Values
  readonly agent?: Agent
}

/** One request to a door, over a connection of its own unless an agent is given. */
export function askDoor(door: Door, proof: ClientProof, asking: AskingDoor): Promise<DoorAnswer> {
  const { path, headers, body, method } = requestOf(door, proof, asking.values)
  const { identity } = proof
  const options = {
    ...{ host: '127.0.0.1', port: asking.port, localAddress: asking.from, path, method },
    ...{ headers: { host: new URL(issuer).host, ...headers }, servername: new URL(issuer).host },
    ...{ ca: readFileSync(asking.web.ca), agent: asking.agent ?? false },
    ...(identity !== undefined && shownBy(identity)),
  }
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(options, (response) => {
      const { statusCode: status = 0 } = response
      const streams = response.headers['content-type'] === 'text/event-stream'
      let text = ''
      const end = (): void => resolve({ status, error: streams ? undefined : errorOf(text), text })
      if (streams) {
        end()
        response.destroy()
        return
      }
      response.on('data', (chunk) => {
        text += String(chunk)
      })
      response.on('end', end)
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

function requestOf(
  door: Door,
  { assertion, identity, clientId = identity?.id ?? [] }: ClientProof,
  said?: Values,
): { path: string; method: string; headers: Record<string, string | string[]>; body?: string } {
  const { path, method, values } = doors[door]
  const assertions = [assertion ?? []].flat()
  if (values !== undefined) {
    const types = assertions.slice(0, 1).map(() => assertionType)
    const proof = { client_assertion_type: types, client_assertion: assertions }
    const body = form({ ...proof, client_id: clientId, ...(said ?? values) })
    return { path, method, headers: formHeaders, body }
  }
  const more = form({ client_id: clientId })
  // Node sends a list as that header several times.
  const authorization = assertions.map((one) => `Bearer ${one}`)
  const headers = authorization.length === 0 ? {} : { authorization }
  return { path: more === '' ? path : `${path}&${more}`, method, headers }
}

function errorOf(text: string): string | undefined {
  return text === '' ? undefined : (JSON.parse(text) as { error?: string }).error
}
