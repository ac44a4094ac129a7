import { z } from 'zod'
import { CountersignError } from '../../../src/errors.ts'
import { parseJsonObject } from '../../../src/jwt/strict-json.ts'
import { type KeyLookup, keysAt, whyOf } from '../../../src/resource-server/jwks.ts'
import { eachMinute } from '../../../src/runtime/each-minute.ts'
import type { Log } from '../../../src/runtime/log.ts'
import { readBounded } from '../named-file.ts'
import { fetchWithin, type ReachDeps } from './reach.ts'
import type { FederatedIssuer } from './settings.ts'

/** OpenID Connect Discovery §3: what of it counts here. */
const discovery = z.looseObject({
  issuer: z.string().max(2048),
  jwks_uri: z.string().max(2048),
})

/**
 * The keys of an issuer: kept for minutes, fetched once for all who wait, and for a key ID that nobody knows not
 * again for seconds, so that a stranger's tokens do not make this server ask. Throws `unavailable` `jwks-unavailable`.
 */
export function issuerKeys(
  settings: Pick<FederatedIssuer, 'issuer' | 'keys' | 'reach'>,
  deps: ReachDeps & { readonly log: Log },
): KeyLookup {
  const { issuer } = settings
  return keysAt(
    (signal) => fetchKeys(settings, deps, signal),
    deps.clock,
    eachMinute(deps.clock, whyOf, (error) =>
      deps.log.warn('tokens of an issuer cannot be verified', { issuer, error }),
    ),
  )
}

async function fetchKeys(
  { issuer, keys, reach }: Pick<FederatedIssuer, 'issuer' | 'keys' | 'reach'>,
  deps: ReachDeps,
  signal: AbortSignal,
): Promise<string> {
  if (keys.at === 'file') return readBounded(keys.path)
  if (keys.at === 'url') return fetchWithin(reach, keys.url, deps, { signal })
  const at = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const text = await fetchWithin(reach, at, deps, { signal })
  return fetchWithin(reach, jwksUriIn(text, issuer), deps, { signal })
}

/** OpenID Connect Discovery §4.3: the document is the issuer's own, or nobody's. */
function jwksUriIn(text: string, issuer: string): string {
  const found = discovery.safeParse(parseJsonObject(text).members)
  if (found.success && found.data.issuer === issuer) return found.data.jwks_uri
  throw new CountersignError('invalid', 'the discovery document is not that of the issuer', {
    reason: 'federated-discovery',
    fix: 'write the issuer as in its document, or name the URL of its keys as jwks',
  })
}
