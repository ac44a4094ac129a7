import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import type { IncomingHttpHeaders } from 'node:http'
import { type Agent, request as httpsRequest } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Resource } from '../../server/oauth/resource-settings.ts'
import type { OauthSettings } from '../../server/oauth/settings.ts'
import type { TestIdentity } from './running-server.ts'
import { shownBy } from './shown.ts'
import type { WebCertificate } from './web-certificate.ts'

export const issuer: string = 'https://as.example.org'
export const orders: string = 'https://orders.example.org'
export const assertionType: string = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe'

export const allowWeb: string = `
@id("web-reads-orders")
permit (principal == Workload::"spiffe://example.org/web", action == Action::"issueToken", resource == Api::"${orders}")
when { ["orders:read"].containsAll(context.scopes) };
`

/** A folder with one file of policies. */
export function policyFolder(text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'cs-policy-'))
  writeFileSync(join(folder, 'all.cedar'), text)
  return folder
}

export function resourceOf(id: string, more: Partial<Resource> = {}): Resource {
  const scopes = ['orders:read', 'orders:write']
  return {
    id,
    scopes,
    maxTtlSeconds: 300,
    servedBy: new Set(),
    scopeMap: new Map(),
    requireCnf: false,
    ...more,
  }
}

export function oauthSettings(web: WebCertificate, policy: string): OauthSettings {
  return {
    issuer,
    address: { host: '127.0.0.1', port: 0 },
    tls: { certificate: web.certificate, key: web.key },
    signing: 'ES256',
    foreignClients: new Map(),
    foreignClientsFile: undefined,
    resources: new Map([[orders, resourceOf(orders, { maxTtlSeconds: 120 })]]),
    policy,
    separateEnvironments: true,
    canary: { everySeconds: 3600, alarmAfterSeconds: 1 },
    legacyEdges: new Set(),
    federation: new Map(),
    federationFile: undefined,
    streams: new Map(),
  }
}

export interface HttpAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** One request over TLS of its own, to a server that shows a web certificate. */
export function ask(
  port: number,
  web: WebCertificate,
  path: string,
  options: {
    readonly method?: string
    readonly headers?: Record<string, string>
    readonly body?: string
    readonly identity?: TestIdentity | undefined
    readonly host?: string
    /** An address of the loopback network to ask from. */
    readonly from?: string
    /** For many calls over few connections; without one, each has a connection of its own. */
    readonly agent?: Agent
  } = {},
): Promise<HttpAnswer> {
  const { method = 'GET', headers = {}, body, identity, host = 'as.example.org', from } = options
  return new Promise((resolve, reject) => {
    const sent = httpsRequest(
      {
        host: '127.0.0.1',
        localAddress: from,
        port,
        path,
        method,
        headers: { host, ...headers },
        servername: host,
        ca: readFileSync(web.ca),
        agent: options.agent ?? false,
        ...(identity !== undefined && shownBy(identity)),
      },
      (response) => {
        let text = ''
        response.on('data', (chunk) => {
          text += String(chunk)
        })
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}

/** A form; a value that is an array is there several times. */
export function form(values: Readonly<Record<string, string | readonly string[]>>): string {
  const pairs = Object.entries(values).flatMap(([name, value]) =>
    [value].flat().map((one): [string, string] => [name, one]),
  )
  return new URLSearchParams(pairs).toString()
}

export const formHeaders: Record<string, string> = {
  'content-type': 'application/x-www-form-urlencoded',
}
