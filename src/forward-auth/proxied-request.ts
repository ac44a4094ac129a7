import { X509Certificate } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { CountersignError } from '../errors.ts'
import { canonicalSegments } from '../request-target/canonical-path.ts'
import type { ProxyKind } from './settings.ts'

/** A request that a proxy asks about, as the proxy tells of it. */
export interface ProxiedRequest {
  /** What the operator calls the service: the proxy's configuration says it, never the client. */
  readonly service: string
  readonly method: string
  /** Canonical, without its query. */
  readonly path: string
  readonly authorizations: readonly string[]
  /** DER; the client has proved to the proxy, in TLS, that it has the key. */
  readonly certificate: Buffer | undefined
}

const maxTargetLength = 8192
const headers = {
  method: 'countersign-method',
  uri: 'countersign-uri',
  certificate: 'countersign-certificate',
} as const

/**
 * nginx asks for `/SERVICE`, with method and URI in headers that it sets; Envoy asks with the client's own method, for the
 * client's path behind `/SERVICE`. Both say the certificate in a header that they set. Throws `invalid`: `proxy-…`,
 * `path-…`.
 */
export function readProxied(request: IncomingMessage, proxy: ProxyKind): ProxiedRequest {
  const { url = '', method = '' } = request
  if (url.length > maxTargetLength) refuse('proxy-target', 'the target is too long')
  const [, service = '', rest = ''] = /^\/([a-z0-9-]{1,63})(\/.*|\?.*)?$/.exec(url) ?? []
  const said =
    proxy === 'nginx'
      ? { method: one(request, headers.method), uri: one(request, headers.uri) }
      : { method, uri: rest }
  if (service === '' || said.method === undefined || said.uri === undefined) {
    return refuse('proxy-request', 'the proxy does not say what it asks about')
  }
  if (said.uri.length > maxTargetLength) refuse('proxy-target', 'the target is too long')
  const [path = ''] = said.uri.split('?', 1)
  return {
    service,
    method: said.method,
    path: `/${canonicalSegments(path).join('/')}`,
    authorizations: valuesOf(request, 'authorization'),
    certificate: certificateIn(one(request, headers.certificate)),
  }
}

function one(request: IncomingMessage, name: string): string | undefined {
  const values = valuesOf(request, name)
  if (values.length > 1) refuse('proxy-header', `the header ${name} is there more than once`)
  return values[0]
}

function valuesOf({ rawHeaders }: IncomingMessage, name: string): readonly string[] {
  return rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name)
}

const onePem = /^-----BEGIN CERTIFICATE-----\r?\n[A-Za-z0-9+/=\r\n]+-----END CERTIFICATE-----\s*$/

/** PEM, percent-encoded, as both proxies have it; empty where the client showed none. */
function certificateIn(encoded: string | undefined): Buffer | undefined {
  if (encoded === undefined || encoded === '') return undefined
  try {
    const pem = decodeURIComponent(encoded)
    if (onePem.test(pem)) return new X509Certificate(pem).raw
  } catch {
    // Not told on: it is what somebody sent.
  }
  return refuse('proxy-certificate', 'the certificate that the proxy tells cannot be read')
}

function refuse(reason: string, message: string): never {
  throw new CountersignError('invalid', message, { reason })
}
