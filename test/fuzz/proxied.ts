import type { IncomingMessage } from 'node:http'
import fc from 'fast-check'
import { readProxied } from '../../src/forward-auth/proxied-request.ts'
import { canonicalSegments } from '../../src/request-target/canonical-path.ts'
import { toPem } from '../../src/x509/pem.ts'
import { editedText } from '../support/text-edits.ts'
import { root } from '../support/x509-fixtures.ts'
import { withTextBytes } from './bytes.ts'

interface Parser {
  readonly inputs: fc.Arbitrary<Uint8Array>
  take(input: Uint8Array): unknown
}

const text = (input: Uint8Array): string => Buffer.from(input).toString('utf8')

const paths = [
  '/orders/7',
  '/a/b/',
  '/%61dmin/%c3%a9',
  '/a%2fb',
  '/../x',
  '/%e2%80%a4%e2%80%a4/',
  '/a;b=c',
]

/** A path that is taken is in its one form: read again, it stays. */
export const requestPathParser = async (): Promise<Parser> => ({
  inputs: withTextBytes(
    editedText(fc.constantFrom(...paths), [...'/.%;\\~é\0', '%2e', '%25', '//']),
  ),
  take(input) {
    const path = `/${canonicalSegments(text(input)).join('/')}`
    const again = `/${canonicalSegments(path).join('/')}`
    if (again !== path) throw new TypeError(`${path} becomes ${again}`)
    return path
  },
})

/** What a proxy tells of a request: the target, and a certificate in a header. */
export const proxiedRequestParser = async (): Promise<Parser> => {
  const { der } = await root('one')
  const pem = encodeURIComponent(toPem('CERTIFICATE', der))
  const told = paths.map((path) => `${path}\n${pem}`)
  return {
    inputs: withTextBytes(editedText(fc.constantFrom(...told), [...'%\n-=A/', '%0A', pem])),
    take(input) {
      const [uri = '', certificate = ''] = text(input).split('\n')
      const headers = { method: 'GET', uri, certificate }
      const rawHeaders = Object.entries(headers).flatMap(([name, value]) => [
        `Countersign-${name}`,
        value,
      ])
      const request = { method: 'GET', url: `/orders${uri}`, rawHeaders } as IncomingMessage
      readProxied({ ...request, url: '/orders' } as IncomingMessage, 'nginx')
      return readProxied(request, 'envoy')
    },
  }
}
