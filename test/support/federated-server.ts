import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { serverId } from '../../src/spiffe-id/reserved.ts'
import { ask, form, formHeaders, type HttpAnswer, orders } from './oauth.ts'
import { type OidcIssuer, startOidcIssuer } from './oidc-issuer.ts'
import { recordsIn } from './records-in.ts'
import { type RunningServer, type TestIdentity, trustDomain, wireEntry } from './running-server.ts'
import { startTokenServer } from './token-server.ts'
import type { WebCertificate } from './web-certificate.ts'

export type Values = Readonly<Record<string, string>>

/** A server that takes tokens of three issuers, with entries for what their rules say. */
export interface FederatedServer extends AsyncDisposable {
  readonly server: RunningServer
  readonly certificate: WebCertificate
  readonly port: number
  readonly github: OidcIssuer
  readonly gitlab: OidcIssuer
  readonly kubernetes: OidcIssuer
  /** Settings of the issuers, as at the start, and what puts others in their place. */
  readonly issuers: readonly object[]
  useIssuers(issuers: readonly object[]): void
  /** Asks for a token, over a connection and from an address of its own: of one alone few refusals are put on record. */
  post(
    values: Values,
    options?: { readonly identity?: TestIdentity; readonly headers?: Values },
  ): Promise<HttpAnswer>
  /** The audit trail, but for its signed heads. */
  records(): readonly Record<string, unknown>[]
}

/** Settings of one issuer, as an operator would write them, besides how to reach it. */
type Said = (
  issuers: Readonly<Record<'github' | 'gitlab' | 'kubernetes', OidcIssuer>>,
) => readonly object[]

export async function startFederatedServer(options: {
  readonly policy: string
  readonly federation: Said
  /** Paths of the entries. */
  readonly entries: readonly (string | Readonly<Record<string, unknown> & { path: string }>)[]
}): Promise<FederatedServer> {
  const [github, gitlab, kubernetes] = await Promise.all([
    startOidcIssuer(),
    startOidcIssuer(),
    startOidcIssuer(),
  ])
  const folder = mkdtempSync(join(tmpdir(), 'cs-issuers-'))
  const federationFile = join(folder, 'issuers.json')
  const useIssuers = (issuers: readonly object[]): void =>
    writeFileSync(federationFile, JSON.stringify({ federation: issuers }))
  const issuers = options.federation({ github, gitlab, kubernetes })
  useIssuers(issuers)
  const server = await startTokenServer({ policy: options.policy, oauth: { federationFile } })
  const { certificate, port } = server
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: options.entries.map((entry) =>
        wireEntry({
          ...(typeof entry === 'string' ? { path: entry } : entry),
          parent: serverId(trustDomain),
          selectors: ['oidc:issuer:any'],
        }),
      ),
    })
  if (!results.every(({ status }) => status?.code === 0)) throw new Error('an entry is refused')
  let asked = 0
  return {
    ...{ server, certificate, port, github, gitlab, kubernetes, issuers, useIssuers },
    post: (values, { identity, headers = {} } = {}) =>
      ask(port, certificate, '/oauth/token', {
        method: 'POST',
        headers: { ...formHeaders, ...headers },
        body: form(values),
        identity,
        from: `127.0.1.${1 + (asked++ % 250)}`,
      }),
    records: () => recordsIn(server.config.auditFile),
    async [Symbol.asyncDispose]() {
      await server.remove()
      for (const one of [github, gitlab, kubernetes]) await one[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** How this machine's issuers are reached. */
export function reachOf(one: OidcIssuer): {
  readonly web_ca: string
  readonly allowed_networks: readonly string[]
} {
  return { web_ca: one.ca, allowed_networks: ['127.0.0.1', '::1'] }
}

/** RFC 8693 §2.1: what is sent to exchange a token of another issuer. */
export function exchanging(subjectToken: string, more: Values = {}): Values {
  return {
    grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    subject_token: subjectToken,
    ...{ resource: orders, scope: 'orders:read' },
    ...more,
  }
}

/** RFC 7523 §2.1: the same token, as the grant itself. */
export function asserting(assertion: string, more: Values = {}): Values {
  const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer'
  return { grant_type, assertion, ...{ resource: orders, scope: 'orders:read' }, ...more }
}
