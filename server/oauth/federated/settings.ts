import { z } from 'zod'
import { CountersignError } from '../../../src/errors.ts'
import { parseEndpointUrl } from '../../../src/federation/endpoint-url.ts'
import { isJwtAlgorithm, type JwtAlgorithm } from '../../../src/jwt/algorithm.ts'
import { duration, parsedBy, path } from '../../../src/runtime/config-value.ts'
import { isReserved } from '../../../src/spiffe-id/reserved.ts'
import { SpiffeId, type TrustDomain } from '../../../src/spiffe-id/spiffe-id.ts'
import { network, port, type Reach } from '../reach-settings.ts'
import { type IssuerKind, issuerKinds } from './claims.ts'
import { type FederatedRule, type Issuable, issuable, problemOfMatch, ruleId } from './rules.ts'

/** Somebody else's issuer of tokens, and for whom its tokens speak here. */
export interface FederatedIssuer {
  /** `iss` of its tokens, exact. */
  readonly issuer: string
  readonly kind: IssuerKind
  /** The one `aud` of its tokens, exact. */
  readonly audience: string
  readonly algorithms: ReadonlySet<JwtAlgorithm>
  /** The longest `exp - iat`. */
  readonly maxAgeSeconds: number
  /** Whether a token is good once, by its `jti`. */
  readonly singleUse: boolean
  /** Where its keys are: as its discovery document says, at a URL, or in a file. */
  readonly keys:
    | { readonly at: 'discovery' }
    | { readonly at: 'url'; readonly url: string }
    | { readonly at: 'file'; readonly path: string }
  readonly reach: Reach
  /** Kubernetes alone: the API server is asked about each token. */
  readonly tokenReview: TokenReviewSettings | undefined
  readonly rules: readonly FederatedRule[]
}

export interface TokenReviewSettings {
  /** Of the API server. */
  readonly url: string
  /** PEM file. */
  readonly caFile: string
  /** The file of the token by which this server may ask. */
  readonly tokenFile: string
}

const url = parsedBy((text) => {
  parseEndpointUrl(text)
  return text
})
const claimValue = z
  .string({ error: 'claims are compared as text: write the value in quotes' })
  .min(1)
  .max(2048)
const rule = z.strictObject({
  match: z.record(z.string().min(1).max(256), claimValue),
  as: parsedBy(SpiffeId.parse),
  issue: z.array(z.enum(issuable)).min(1).max(issuable.length).optional(),
})

/** As an operator writes it. */
export const federatedSchema: z.ZodType<readonly FederatedFile[]> = z
  .array(
    z.strictObject({
      issuer: url,
      kind: z.enum(issuerKinds),
      audience: z.string().min(1).max(2048),
      algorithms: z
        .array(z.string().refine(isJwtAlgorithm, 'one of RS, PS or ES with 256, 384 or 512'))
        .min(1)
        .max(9)
        .optional(),
      max_age: duration.optional(),
      single_use: z.boolean().optional(),
      jwks: url.optional(),
      jwks_file: path.optional(),
      web_ca: path.optional(),
      allowed_networks: z.array(network).max(256).optional(),
      allowed_ports: z.array(port).min(1).max(64).optional(),
      token_review: z.strictObject({ url, ca_file: path, token_file: path }).optional(),
      rules: z.array(rule).min(1).max(1000),
    }),
  )
  .max(64) as z.ZodType<readonly FederatedFile[]>

export interface FederatedFile {
  readonly issuer: string
  readonly kind: IssuerKind
  readonly audience: string
  readonly algorithms?: readonly JwtAlgorithm[] | undefined
  readonly max_age?: number | undefined
  readonly single_use?: boolean | undefined
  readonly jwks?: string | undefined
  readonly jwks_file?: string | undefined
  readonly web_ca?: string | undefined
  readonly allowed_networks?: readonly string[] | undefined
  readonly allowed_ports?: readonly number[] | undefined
  readonly token_review?:
    | { readonly url: string; readonly ca_file: string; readonly token_file: string }
    | undefined
  readonly rules: readonly {
    readonly match: Readonly<Record<string, string>>
    readonly as: SpiffeId
    readonly issue?: readonly Issuable[] | undefined
  }[]
}

/** GitHub and GitLab make a token for each job or call; Kubernetes one an hour, which a pod shows again. */
const defaults: Readonly<Record<IssuerKind, { maxAgeSeconds: number; singleUse: boolean }>> = {
  github: { maxAgeSeconds: 600, singleUse: true },
  gitlab: { maxAgeSeconds: 3600, singleUse: true },
  kubernetes: { maxAgeSeconds: 3600, singleUse: false },
  oidc: { maxAgeSeconds: 600, singleUse: true },
}
/** A rule for these under another kind would be read by other words. */
const kindOfHost: ReadonlyMap<string, IssuerKind> = new Map([
  ['token.actions.githubusercontent.com', 'github'],
  ['gitlab.com', 'gitlab'],
])
const longestReused = 3600
/** No issuer's `maxAgeSeconds` is more. */
export const longestMaxAgeSeconds = 86_400

/** Whom tokens are exchanged by, and whose workloads rules name. */
export interface OwnIssuer {
  readonly issuer: string
  /** `iss` of its JWT-SVIDs, which are proofs by themselves. */
  readonly jwtIssuer?: string | undefined
  readonly trustDomain: TrustDomain
}

/** By `iss`. Throws `invalid` `config-oauth-federation`. */
export function readFederated(
  said: readonly FederatedFile[],
  own: OwnIssuer,
): ReadonlyMap<string, FederatedIssuer> {
  const issuers = new Map<string, FederatedIssuer>()
  for (const file of said) {
    if (issuers.has(file.issuer) || [own.issuer, own.jwtIssuer].includes(file.issuer)) {
      refuse(file.issuer, 'it is there twice, or is this server itself', 'name each issuer once')
    }
    issuers.set(file.issuer, readIssuer(file, own.trustDomain))
  }
  return issuers
}

function readIssuer(file: FederatedFile, trustDomain: TrustDomain): FederatedIssuer {
  const { issuer, kind, audience, jwks, jwks_file, token_review } = file
  checkIssuer(file)
  const maxAgeSeconds = file.max_age ?? defaults[kind].maxAgeSeconds
  const singleUse = file.single_use ?? defaults[kind].singleUse
  const most = singleUse ? longestMaxAgeSeconds : longestReused
  if (maxAgeSeconds > most) {
    const fix = singleUse ? 'set max_age to 24h or less' : 'set max_age to 1h or less'
    refuse(issuer, `its tokens may be older than ${most / 3600} hours`, fix)
  }
  return {
    ...{ issuer, kind, audience, maxAgeSeconds, singleUse },
    algorithms: new Set(file.algorithms ?? ['RS256']),
    keys:
      jwks_file !== undefined
        ? { at: 'file', path: jwks_file }
        : jwks !== undefined
          ? { at: 'url', url: jwks }
          : { at: 'discovery' },
    reach: {
      webCa: file.web_ca,
      allowedNetworks: file.allowed_networks ?? [],
      allowedPorts: file.allowed_ports,
    },
    tokenReview: token_review && {
      url: token_review.url,
      caFile: token_review.ca_file,
      tokenFile: token_review.token_file,
    },
    rules: readRules(file, trustDomain),
  }
}

function checkIssuer({ issuer, kind, audience, ...file }: FederatedFile): void {
  const { host, search, hash } = new URL(issuer)
  if (search !== '' || hash !== '') {
    refuse(issuer, 'an issuer has no query and no fragment', 'write it as in `iss` of its tokens')
  }
  const expected = kindOfHost.get(host)
  if (expected !== undefined && kind !== expected) {
    refuse(issuer, `it is not of kind ${kind}`, `write kind: ${expected}`)
  }
  // What a job, or a pod, gets without asking is for others too: whoever is shown it could show it here.
  if (audience === issuer || isOfGithub(audience, kind === 'github' ? host : undefined)) {
    refuse(
      issuer,
      'its tokens have this audience where nobody has asked for one',
      'have tokens made for this server alone, such as with its own oauth.issuer as audience',
    )
  }
  if (file.jwks !== undefined && file.jwks_file !== undefined) {
    refuse(issuer, 'its keys are in two places', 'write jwks or jwks_file')
  }
  if (file.token_review !== undefined && kind !== 'kubernetes') {
    refuse(issuer, 'token_review is for Kubernetes', 'leave it out')
  }
}

/**
 * What GitHub says unless asked: the URL of the owner, there, with GHE.com or on the Enterprise Server that issues. The
 * first two never mean this server, of whatever kind an issuer is said to be.
 */
function isOfGithub(audience: string, enterpriseHost: string | undefined): boolean {
  if (!URL.canParse(audience)) return false
  const { host } = new URL(audience)
  return host === 'github.com' || host === enterpriseHost || host.endsWith('.ghe.com')
}

function readRules(
  { issuer, kind, rules }: FederatedFile,
  trustDomain: TrustDomain,
): readonly FederatedRule[] {
  const seen = new Set<string>()
  return rules.map(({ match: said, as, issue = ['access_token'] }, at) => {
    const where = `rule ${at + 1}`
    const match = new Map(Object.entries(said).sort(([a], [b]) => (a < b ? -1 : 1)))
    const problem = problemOfMatch(kind, match)
    if (problem !== undefined) refuse(issuer, `${where}: ${problem.message}`, problem.fix)
    const key = JSON.stringify([...match])
    if (seen.has(key)) refuse(issuer, `${where} matches what one before it does`, 'leave one out')
    seen.add(key)
    const name = SpiffeId.trustDomainOf(as) === trustDomain ? SpiffeId.pathOf(as) : ''
    if (name === '' || isReserved(as)) {
      refuse(
        issuer,
        `${where}: ${as} is not the ID of a workload of ${trustDomain}`,
        'name the SPIFFE ID of an entry',
      )
    }
    return { id: ruleId(issuer, { match, as }), match, as, issue: new Set(issue) }
  })
}

function refuse(issuer: string, message: string, fix: string): never {
  throw new CountersignError('invalid', `oauth.federation, ${issuer}: ${message}`, {
    reason: 'config-oauth-federation',
    fix,
  })
}
