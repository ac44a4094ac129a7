import { z } from 'zod'
import { CountersignError } from '../../src/errors.ts'
import { canaryScope, selfTestPath } from '../../src/revocation/canary.ts'
import { duration, parsedBy } from '../../src/runtime/config-value.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { longestTokenSeconds } from '../revocation/write-facts.ts'

/** Something that tokens are for (RFC 8707). */
export interface Resource {
  /** The `aud` of its tokens, exact. */
  readonly id: string
  readonly scopes: readonly string[]
  readonly maxTtlSeconds: number
  /** Whoever serves it: may introspect its tokens, and exchange them for tokens of the next hop. */
  readonly servedBy: ReadonlySet<SpiffeId>
  /** A scope of its own → the scopes of other resources that stand for it in a token that is exchanged. */
  readonly scopeMap: ReadonlyMap<string, readonly string[]>
  /** Its tokens are bound to a certificate, all of them (RFC 8705). */
  readonly requireCnf: boolean
  /** Where those who serve it answer whether they take a canary; undefined: nobody asks. */
  readonly selfTest?: URL | undefined
  /** What policies may look at: who answers for it, and which environment it belongs to. */
  readonly owner?: string | undefined
  readonly env?: string | undefined
}

/** As an operator writes it. */
export interface ResourceFile {
  readonly id: string
  readonly scopes: readonly string[]
  readonly max_ttl?: number | undefined
  readonly served_by?: readonly SpiffeId[] | undefined
  readonly scope_map?: Readonly<Record<string, readonly string[]>> | undefined
  readonly require_cnf?: boolean | undefined
  readonly self_test?: string | undefined
  readonly owner?: string | undefined
  readonly env?: string | undefined
}

// RFC 6749 §3.3.
const scope = z.string().regex(/^[\x21\x23-\x5b\x5d-\x7e]{1,128}$/, 'a scope without blanks')
const word = z.string().min(1).max(256)

export const resourceSchema: z.ZodType<ResourceFile> = z.strictObject({
  id: z.string().min(1).max(2048).refine(isResource, 'an absolute URI without a fragment'),
  scopes: z.array(scope).min(1).max(256),
  max_ttl: duration.optional(),
  served_by: z.array(parsedBy(SpiffeId.parse)).max(256).optional(),
  scope_map: z.record(scope, z.array(scope).min(1).max(64)).optional(),
  require_cnf: z.boolean().optional(),
  self_test: z.string().max(2048).optional(),
  owner: word.optional(),
  env: word.optional(),
})

/** By id. Throws `invalid` / `config-oauth`. */
export function readResources(said: readonly ResourceFile[]): ReadonlyMap<string, Resource> {
  const resources = new Map<string, Resource>()
  const twins = new Map<string, string>()
  for (const resource of said) {
    const { id } = resource
    const twin = twins.get(urlOf(id))
    if (twin !== undefined) {
      refuse(
        twin === id ? `oauth.resources names ${id} twice` : `${id} and ${twin} are one URL`,
        'name each resource once, as its tokens are to name it',
      )
    }
    twins.set(urlOf(id), id)
    resources.set(id, readResource(resource))
  }
  return resources
}

function readResource(said: ResourceFile): Resource {
  const { id, scopes, max_ttl = 300, served_by = [], scope_map = {} } = said
  if (scopes.includes(canaryScope)) {
    refuse(`${canaryScope} is no scope of ${id}`, 'it is for canaries, which open nothing')
  }
  if (max_ttl > longestTokenSeconds) {
    refuse(`max_ttl of ${id} is more than an hour`, 'set it to 1h or less, better to 5m')
  }
  return {
    id,
    scopes: [...new Set(scopes)],
    maxTtlSeconds: max_ttl,
    servedBy: new Set(served_by),
    scopeMap: readScopeMap(id, scopes, scope_map),
    requireCnf: said.require_cnf ?? false,
    selfTest: readSelfTest(id, said.self_test, served_by),
    owner: said.owner,
    env: said.env,
  }
}

function readSelfTest(
  id: string,
  said: string | undefined,
  servedBy: readonly SpiffeId[],
): URL | undefined {
  if (said === undefined) return undefined
  if (servedBy.length === 0) {
    refuse(`self_test of ${id} asks nobody`, 'name in served_by who serves it')
  }
  if (!URL.canParse(said) || new URL(said).protocol !== 'https:' || new URL(said).hash !== '') {
    refuse(`self_test of ${id} is no https URL`, `write it as https://HOST:PORT${selfTestPath}`)
  }
  return new URL(said)
}

function readScopeMap(
  id: string,
  scopes: readonly string[],
  said: Readonly<Record<string, readonly string[]>>,
): ReadonlyMap<string, readonly string[]> {
  for (const scope of Object.keys(said)) {
    if (scopes.includes(scope)) continue
    refuse(`scope_map of ${id} names ${scope}, which is no scope of it`, 'add it to scopes')
  }
  return new Map(Object.entries(said))
}

/** Names that a URL parser takes for one, such as with a slash at the end or in other case, are no two resources. */
function urlOf(id: string): string {
  return URL.canParse(id) ? new URL(id).href.replace(/\/$/, '') : id
}

/** RFC 8707 §2. */
function isResource(id: string): boolean {
  return /^[a-z][a-z0-9+.-]*:[\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+$/.test(id)
}

function refuse(message: string, fix: string): never {
  throw new CountersignError('invalid', message, { reason: 'config-oauth', fix })
}
