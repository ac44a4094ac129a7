import { isIP } from 'node:net'
import type {
  AuthorizationCall,
  CedarValueJson,
  EntityJson,
  TypeAndId,
} from '@cedar-policy/cedar-wasm/nodejs'
import { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { AskingEntry, PolicyQuestion, RevocationTarget, Target } from './question.ts'

/** A question in the terms of `cedarSchema`: who, what, to what, in which circumstances. */
export interface CedarQuestion {
  readonly principal: CedarEntity
  readonly action: TypeAndId
  readonly resource: CedarEntity
  readonly context: Record<string, CedarValueJson>
}

export type CedarEntity = EntityJson & { readonly uid: TypeAndId }

/** A question as Cedar takes it. */
export type CedarRequest = Pick<
  AuthorizationCall,
  'principal' | 'action' | 'resource' | 'context' | 'entities'
>

/** What is asked at one time. */
export function cedarQuestion(question: PolicyQuestion, now: Date): CedarQuestion {
  return {
    principal: principalOf(question),
    action: { type: 'Action', id: question.action },
    resource: resourceOf(question),
    context: contextOf(question, now),
  }
}

/** All of it. */
export function wholeRequest({
  principal,
  action,
  resource,
  context,
}: CedarQuestion): CedarRequest {
  const entities = [principal, resource]
  return { principal: principal.uid, action, resource: resource.uid, context, entities }
}

const types = {
  transaction: 'Transaction',
  'spiffe-id': 'SpiffeId',
  entry: 'Entry',
  owner: 'Owner',
  audience: 'Api',
  integration: 'Integration',
  key: 'Key',
  'trust-domain': 'TrustDomain',
  node: 'Node',
} as const

function principalOf(question: PolicyQuestion): CedarEntity {
  if (question.action !== 'revoke') return workload(question.entry)
  const { by } = question
  return 'entry' in by ? workload(by.entry) : entity('Operator', by.operator)
}

function resourceOf(question: PolicyQuestion): CedarEntity {
  switch (question.action) {
    case 'issueToken':
    case 'exchangeToken':
      return entity('Api', question.resource.id, attributesOf(question.resource))
    case 'callVendor':
      return entity('Integration', question.integration.id, attributesOf(question.integration))
    case 'revoke':
      return revocable(question.target)
  }
}

function contextOf(question: PolicyQuestion, now: Date): Record<string, CedarValueJson> {
  const time = extension('datetime', timeOf(minuteOf(now)))
  if (question.action === 'revoke') return { time }
  const address = extension('ip', ipOf(question.address))
  if (question.action === 'callVendor') {
    return { method: question.method, path: question.path, address, time }
  }
  const { scopes, ttlSeconds, auth } = question
  const token = { scopes: [...scopes], ttl: ttlSeconds, auth, address, time }
  if (question.action === 'issueToken') return token
  const { subject, actors, depth, audience } = question
  return { ...token, subject, actors: [...actors], depth, audience }
}

function workload({ spiffeId, owner, purpose, labels }: AskingEntry): CedarEntity {
  const attributes = { id: spiffeId, path: SpiffeId.pathOf(spiffeId), owner, purpose }
  return { ...entity('Workload', spiffeId, attributes), tags: { ...labels } }
}

function revocable(target: RevocationTarget): CedarEntity {
  if (target.kind !== 'token') return entity(types[target.kind], target.id)
  const { id, client, audience, owner } = target
  return entity('Token', id, {
    client: { __entity: { type: 'Workload', id: client } },
    audience,
    owner,
  })
}

function attributesOf({ owner, env }: Target): Record<string, CedarValueJson> {
  return { ...(owner !== undefined && { owner }), ...(env !== undefined && { env }) }
}

function entity(type: string, id: string, attrs: Record<string, CedarValueJson> = {}): CedarEntity {
  return { uid: { type, id }, attrs, parents: [] }
}

function extension(fn: string, arg: string): CedarValueJson {
  return { __extn: { fn, arg } }
}

/** What a policy is told of the time, since 1970: a finer one would make each question another one. */
export function minuteOf(now: Date): number {
  return Math.floor(now.getTime() / 60_000)
}

/** RFC 3339. */
function timeOf(minute: number): string {
  return new Date(minute * 60_000).toISOString().replace('.000', '')
}

/** `127.0.0.1:80`, `[2001:db8::1]:80` and both alone; what an IPv6 socket says of IPv4 is IPv4. */
export function ipOf(address: string): string {
  const colon = address.indexOf(':')
  if (colon === address.lastIndexOf(':')) return colon < 0 ? address : address.slice(0, colon)
  const host = isIP(address) > 0 ? address : address.slice(0, Math.max(0, address.lastIndexOf(':')))
  const bare = host.replaceAll(/[[\]]|%.*/g, '')
  return bare.startsWith('::ffff:') && isIP(bare.slice(7)) === 4 ? bare.slice(7) : bare
}
