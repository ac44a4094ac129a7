import { CountersignError } from '../errors.ts'
import { canonicalSegments } from '../request-target/canonical-path.ts'
import type { SpiffeId } from '../spiffe-id/spiffe-id.ts'
import type { PolicyQuestion, RevocableKind, Target } from './question.ts'

/** A question as people write it. */
export interface StatedQuestion {
  readonly action: PolicyQuestion['action']
  readonly entry?: StatedEntry | undefined
  readonly operator?: string | undefined
  readonly resource?: Target | undefined
  readonly integration?: Target | undefined
  readonly scopes?: readonly string[] | undefined
  /** Seconds. */
  readonly ttl?: number | undefined
  readonly auth?: string | undefined
  readonly address?: string | undefined
  readonly subject?: string | undefined
  readonly actors?: readonly string[] | undefined
  readonly audience?: string | undefined
  readonly method?: string | undefined
  readonly path?: string | undefined
  readonly revoke?: StatedTarget | undefined
}

interface StatedEntry {
  readonly id: SpiffeId
  readonly owner: string
  readonly purpose: string
  readonly labels: Readonly<Record<string, string>>
}

interface StatedTarget {
  readonly kind: RevocableKind | 'token'
  readonly id: string
  readonly client?: string | undefined
  readonly audience?: string | undefined
  readonly owner?: string | undefined
}

const token = ['entry', 'resource', 'scopes', 'ttl', 'auth', 'address'] as const
const meant: Readonly<Record<PolicyQuestion['action'], readonly (keyof StatedQuestion)[]>> = {
  issueToken: token,
  exchangeToken: [...token, 'subject', 'actors', 'audience'],
  callVendor: ['entry', 'integration', 'method', 'path', 'address'],
  revoke: ['entry', 'operator', 'revoke'],
}

/**
 * What is not said is an X.509-SVID, five minutes, and from this machine; what an action has no use for may not be
 * said. Throws `invalid` `policy-question`, and as `canonicalSegments`.
 */
export function questionOf(said: StatedQuestion): PolicyQuestion {
  const { action } = said
  for (const name of Object.keys(said) as (keyof StatedQuestion)[]) {
    if (said[name] === undefined || name === 'action' || meant[action].includes(name)) continue
    refuse(`${action} has no use for ${name}`, `leave ${name} out`)
  }
  if (action === 'revoke') return revocation(said)
  const entry = entryOf(said)
  const { address = '127.0.0.1' } = said
  if (action === 'callVendor') {
    const integration = needed<Target>('integration', said)
    const { method = 'GET' } = said
    const path = `/${canonicalSegments(said.path ?? '/').join('/')}`
    // A broker does not know them: neither a token nor an SVID tells of labels.
    return { action, entry: { ...entry, labels: {} }, integration, method, path, address }
  }
  const { ttl: ttlSeconds = 300, auth = 'spiffe_x509' } = said
  const scopes = needed<readonly string[]>('scopes', said)
  const resource = needed<Target>('resource', said)
  const wish = { entry, resource, scopes, ttlSeconds, auth, address }
  if (action === 'issueToken') return { action, ...wish }
  const { actors = [] } = said
  return {
    action,
    ...wish,
    subject: needed<string>('subject', said),
    actors,
    // Whoever shows the token of another is the next that acts for it.
    depth: actors.length + (said.subject === entry.spiffeId ? 0 : 1),
    audience: needed<string>('audience', said),
  }
}

function revocation(said: StatedQuestion): PolicyQuestion {
  const { operator, entry } = said
  if ((operator === undefined) === (entry === undefined)) {
    refuse('a revocation is asked for by an entry or by an operator', 'give one of the two')
  }
  const by = operator === undefined ? { entry: entryOf(said) } : { operator }
  const revoked = needed<StatedTarget>('revoke', said)
  const { kind, id, client, audience, owner = '' } = revoked
  if (kind !== 'token') return { action: 'revoke', by, target: { kind, id } }
  // An operator names a token by its id alone.
  if (operator === undefined && (client === undefined || audience === undefined)) {
    return refuse(
      'whether a workload may revoke a token depends on its client and its audience',
      'add them: client and audience of revoke, or --client and --audience',
    )
  }
  return {
    action: 'revoke',
    by,
    target: { kind, id, client: client ?? '', audience: audience ?? '', owner },
  }
}

function entryOf({ entry }: StatedQuestion) {
  if (entry === undefined) return refuse('nobody asks', 'give entry.id, a SPIFFE ID')
  const { id: spiffeId, owner, purpose, labels } = entry
  return { spiffeId, owner, purpose, labels }
}

function needed<T>(name: keyof StatedQuestion, said: StatedQuestion): T {
  const value = said[name]
  return value === undefined ? refuse(`${said.action} needs ${name}`, `give ${name}`) : (value as T)
}

function refuse(message: string, fix: string): never {
  throw new CountersignError('invalid', message, { reason: 'policy-question', fix })
}
