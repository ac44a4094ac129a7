import { isIPv4 } from 'node:net'
import { z } from 'zod'
import { CountersignError } from '../../src/errors.ts'
import { type HostPort, hostPort, path } from '../../src/runtime/config-value.ts'

/** Where tokens' issuer answers for itself (OpenID Connect Discovery 1.0). */
export interface OidcSettings {
  readonly address: HostPort
  /** As tokens say it in `iss`. */
  readonly issuer: string
  /** Names, lower case, by which it may be asked for; without port. */
  readonly hosts: readonly string[]
  /** PEM files; undefined: plain HTTP, for a proxy on this machine. */
  readonly tls: { readonly certificate: string; readonly key: string } | undefined
}

const host = z.string().regex(/^[a-z0-9._-]{1,253}$/, 'a host name in lower case, without port')

/** As an operator writes it. */
export const oidcSchema: z.ZodType<OidcFile> = z.strictObject({
  address: hostPort,
  hosts: z.array(host).min(1).max(32).optional(),
  certificate: path.optional(),
  key: path.optional(),
}) as z.ZodType<OidcFile>

interface OidcFile {
  readonly address: HostPort
  readonly hosts?: readonly string[] | undefined
  readonly certificate?: string | undefined
  readonly key?: string | undefined
}

/** Throws `invalid`: `config-oidc`. */
export function readOidc(
  said: OidcFile | undefined,
  issuer: string | undefined,
): OidcSettings | undefined {
  if (said === undefined) return undefined
  const url = issuer === undefined ? undefined : new URL(issuer)
  if (issuer === undefined || url === undefined || !isIssuer(url)) {
    return refuse(
      'oidc needs an issuer that relying parties can look up',
      'set jwt_issuer to an https URL of a host and a plain path, without query or fragment',
    )
  }
  const { address, certificate, key } = said
  if ((certificate === undefined) !== (key === undefined)) {
    return refuse('oidc has a certificate or a key, not both', 'set both, or neither')
  }
  if (certificate === undefined && !isLoopback(address.host)) {
    return refuse(
      'oidc would serve plain HTTP to other machines',
      'set oidc.certificate and oidc.key, or listen on 127.0.0.1 behind a proxy',
    )
  }
  return {
    address,
    issuer,
    hosts: said.hosts ?? [url.hostname],
    tls: certificate === undefined || key === undefined ? undefined : { certificate, key },
  }
}

/** Discovery §2: https, and nothing but a host and a path, here one that needs no escapes. */
function isIssuer(url: URL): boolean {
  return (
    url.protocol === 'https:' &&
    url.username === '' &&
    url.search === '' &&
    url.hash === '' &&
    /^[A-Za-z0-9._~/-]*$/.test(url.pathname)
  )
}

function isLoopback(name: string): boolean {
  return name === 'localhost' || name === '::1' || (isIPv4(name) && name.startsWith('127.'))
}

function refuse(message: string, fix: string): never {
  throw new CountersignError('invalid', message, { reason: 'config-oidc', fix })
}
