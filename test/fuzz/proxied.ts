import type { IncomingMessage } from 'node:http'
import fc from 'fast-check'
import { readTarget } from '../../server/broker/call/target.ts'
import { type ProxiedRequest, readProxied } from '../../src/forward-auth/proxied-request.ts'
import { canonicalSegments } from '../../src/request-target/canonical-path.ts'
import { isPathPattern, matchesPath } from '../../src/request-target/path-pattern.ts'
import { toPem } from '../../src/x509/pem.ts'
import { editedText } from '../support/text-edits.ts'
import { root } from '../support/x509-fixtures.ts'
import { withTextBytes } from './bytes.ts'
import type { Parser } from './target.ts'

const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8')

/** Any segment may stand in any place; most of the time none of those that no path may have. */
const sound = fc.constantFrom(
  ...['orders', '7', 'a', '...', '%61dmin', '%c3%a9', '%C3%A9', '%2d%5F', 'a+b', '%2B', 'a:b@c'],
  ...["!$&'()*,=~", '%20', '%F0%9F%92%A9', '*', '**', '%22%3c%7B', 'x%7f', '%e2%80%8b'],
)
const unsound = fc.constantFrom(
  ...['', '.', '..', 'a%2fb', '%e2%80%a4%e2%80%a4', '%ef%bc%8f', '%ef%bc%85', 'a;b=c', 'a%3Bb'],
  ...['%2e%2E', '%2e', '%25', '%00', '%5c', '%c0%af', '%ed%a0%80', 'é', '..%20', '%EF%BC%8E.'],
)
const segments = fc.oneof({ weight: 12, arbitrary: sound }, { weight: 1, arbitrary: unsound })
const paths = fc.array(segments, { minLength: 1, maxLength: 5 }).map((some) => `/${some.join('/')}`)
const pieces = [...'/.%;\\~é\0+*', '%2e', '%25', '%c3%a9', '//', '/../']

/** A path that is taken is in its one form, and everybody finds it there. */
export const requestPathParser = async (): Promise<Parser> => ({
  inputs: withTextBytes(editedText(paths, pieces)),
  take(input) {
    const given = text(input)
    const path = `/${canonicalSegments(given).join('/')}`
    const again = `/${canonicalSegments(path).join('/')}`
    if (again !== path) throw new TypeError(`${path} becomes ${again}`)
    checkUrl(given, path)
    checkDoors(given, path)
    if (isPathPattern(path) && !matchesPath(path, path)) throw new Error(`${path} is not ${path}`)
    return path
  },
})

/** A reader of URLs takes nothing out of it, and finds no slash by decoding. */
function checkUrl(given: string, path: string): void {
  const { pathname } = new URL(`http://service.example${given}`)
  const theirs = `/${canonicalSegments(pathname).join('/')}`
  if (theirs !== path || new URL(path, 'http://service.example').pathname !== path) {
    throw new Error(`${path} is ${theirs} to a reader of URLs`)
  }
  for (const segment of path.slice(1).split('/')) {
    const decoded = decodeURIComponent(segment)
    if (/[/\\\0;%]|^\.\.?$/.test(decoded)) throw new Error(`${segment} hides something`)
  }
}

/** The broker and what answers for proxies of both kinds see the same. */
function checkDoors(given: string, path: string): void {
  const seen = {
    nginx: proxied(given, '', 'nginx').path,
    envoy: proxied(given, '', 'envoy').path,
    broker: readTarget(`/x${given}?a=b`, 'https://broker.example').path,
  }
  for (const [door, one] of Object.entries(seen)) {
    if (one !== path) throw new Error(`${door} sees ${one} for ${path}`)
  }
}

function proxied(uri: string, certificate: string, proxy: 'nginx' | 'envoy'): ProxiedRequest {
  const said = { method: 'GET', ...(proxy === 'nginx' && { uri }), certificate }
  const rawHeaders = Object.entries(said).flatMap(([name, value]) => [`Countersign-${name}`, value])
  const url = proxy === 'nginx' ? '/orders' : `/orders${uri}`
  return readProxied({ method: 'GET', url, rawHeaders } as IncomingMessage, proxy)
}

/** What a proxy tells of a request: the target, and a certificate in a header. */
export const proxiedRequestParser = async (): Promise<Parser> => {
  const { der } = await root('one')
  const pem = encodeURIComponent(toPem('CERTIFICATE', der))
  const queries = fc.constantFrom('', '?', '?a=b', '?a?b=/../', '?%00')
  const told = fc
    .tuple(
      paths,
      queries,
      fc.constantFrom(pem, pem, '', `${pem}%0A`, pem.replaceAll('%0A', '%0D%0A')),
    )
    .map(([path, query, certificate]) => `${path}${query}\n${certificate}`)
  return {
    inputs: withTextBytes(editedText(told, [...'%\n-=A/?', '%0A', pem])),
    take(input) {
      const [uri = '', certificate = ''] = text(input).split('\n')
      const [one, other] = (['nginx', 'envoy'] as const).map((proxy) =>
        proxied(uri, certificate, proxy),
      )
      if (JSON.stringify(one) !== JSON.stringify(other)) throw new Error('read as two requests')
      return one
    },
  }
}
