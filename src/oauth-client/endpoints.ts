import { X509Certificate } from 'node:crypto'
import { CountersignError } from '../errors.ts'

/** Where an authorization server is asked for what, https URLs. */
export interface IssuerEndpoints {
  /** `ISSUER/oauth/token` unless told. */
  readonly token: string
  /** `ISSUER/oauth/introspect` unless told. */
  readonly introspection: string
  /** `ISSUER/oauth/jwks` unless told. */
  readonly keys: string
  /** Of revocations: `ISSUER/oauth/feed` unless told. */
  readonly feed: string
  /** Of that feed: `ISSUER/oauth/feed-keys` unless told. */
  readonly feedKeys: string
}

/** Those that a Countersign server has, but where it is said otherwise. Throws `invalid`, `client-options`. */
export function endpointsOf(
  issuer: string,
  said: Partial<IssuerEndpoints> | undefined,
): IssuerEndpoints {
  // Else it is asked at paths that there are not, and signs for another issuer than this one.
  if (issuer.endsWith('/') && said === undefined) {
    throw new CountersignError('invalid', 'the issuer ends with a slash', {
      reason: 'client-options',
      fix: `write it as the server does, in oauth.issuer: ${issuer.slice(0, -1)}`,
    })
  }
  const endpoints = {
    token: `${issuer}/oauth/token`,
    introspection: `${issuer}/oauth/introspect`,
    keys: `${issuer}/oauth/jwks`,
    feed: `${issuer}/oauth/feed`,
    feedKeys: `${issuer}/oauth/feed-keys`,
    ...said,
  }
  if ([issuer, ...Object.values(endpoints)].every(isHttps)) return endpoints
  throw new CountersignError('invalid', 'an issuer and its endpoints are https URLs', {
    reason: 'client-options',
  })
}

/** Node takes what is no certificate for none, in silence, and then believes nobody. Throws as `endpointsOf`. */
export function checkCa(ca: unknown): void {
  if (ca === undefined || (Array.isArray(ca) && ca.length > 0 && ca.every(holdsCertificates)))
    return
  throw new CountersignError('invalid', '`ca` is a list of certificates, PEM', {
    reason: 'client-options',
    fix: "write ca: [readFileSync('ca.pem', 'utf8')]",
  })
}

const block = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g

/** Whether it is a text with certificates, PEM, at least one. */
export function holdsCertificates(text: unknown): boolean {
  if (typeof text !== 'string') return false
  const found = text.match(block) ?? []
  try {
    return found.map((pem) => new X509Certificate(pem)).length > 0
  } catch {
    return false
  }
}

export function isHttps(url: string): boolean {
  return URL.canParse(url) && new URL(url).protocol === 'https:'
}
