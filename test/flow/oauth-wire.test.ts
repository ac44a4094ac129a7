import { readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { allowWeb, assertionType, form, issuer, orders } from '../support/oauth.ts'
import { mintJwt, someAgent, wireEntry } from '../support/running-server.ts'
import { startTokenServer, type TokenServer } from '../support/token-server.ts'

/*
 * Requests as bytes, which no client library sends: what of them counts, and that nothing of them counts twice.
 */

let server: TokenServer

beforeAll(async () => {
  const policy = allowWeb.replaceAll(
    'principal == Workload::"spiffe://example.org/web"',
    'principal',
  )
  server = await startTokenServer({ policy })
  const entries = ['/web', '/other'].map((path) => wireEntry({ path, parent: someAgent }))
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', { entries })
})

afterAll(() => server?.remove())

const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }

/** The form by which this workload asks for a token. */
async function formOf(path = '/web'): Promise<string> {
  const assertion = await mintJwt(server, path, issuer, 60)
  return form({ ...wish, client_assertion_type: assertionType, client_assertion: assertion })
}

/** Sends these bytes over a connection of its own; resolves with all that came until the server has closed it. */
function exchange(...parts: readonly (string | Buffer)[]): Promise<string> {
  return new Promise((resolve) => {
    const { port, certificate } = server
    const ca = readFileSync(certificate.ca)
    const socket = connect({ host: '127.0.0.1', port, ca, servername: 'as.example.org' })
    let text = ''
    socket.on('data', (chunk) => {
      text += String(chunk)
    })
    // What is cut in the midst of it has said what it has said.
    socket.on('error', () => {}).on('close', () => resolve(text))
    for (const part of parts) socket.write(part)
  })
}

const host = 'Host: as.example.org'
const type = 'Content-Type: application/x-www-form-urlencoded'
const close = 'Connection: close'

function head(line: string, ...headers: readonly string[]): string {
  return `${[line, ...headers].join('\r\n')}\r\n\r\n`
}

function post(body: string | Buffer, ...headers: readonly string[]): readonly (string | Buffer)[] {
  const length = `Content-Length: ${Buffer.byteLength(body)}`
  return [head('POST /oauth/token HTTP/1.1', host, close, length, ...headers), body]
}

/** Status of the first answer that is no `100 Continue`, and the error that it names. */
function told(answer: string): readonly [number, string | undefined] {
  const last = answer.replace('HTTP/1.1 100 Continue\r\n\r\n', '')
  const error = /"error":"(\w+)"/.exec(last)?.[1]
  return [Number(/^HTTP\/1\.1 (\d{3}) /.exec(last)?.[1]), error]
}

function subjectsIn(answer: string): readonly unknown[] {
  return [...answer.matchAll(/"access_token":"([^"]+)"/g)].map(
    ([, token = '']) => decodeJwt(token).sub,
  )
}

const web = 'spiffe://example.org/web'
const other = 'spiffe://example.org/other'

describe('RFC 6749 §4.4.2 a form is', () => {
  test('one of UTF-8, whether or not that is said, and of no other encoding', async () => {
    const body = await formOf()
    for (const said of ['', '; charset=UTF-8', ';charset="utf-8"']) {
      expect(told(await exchange(...post(body, `${type}${said}`)))).toEqual([200, undefined])
    }
    const wide = Buffer.from(body, 'utf16le')
    const invalid = [400, 'invalid_request']
    expect(told(await exchange(...post(wide, `${type}; charset=utf-16`)))).toEqual(invalid)
  })

  test('one by its name, and by no other', async () => {
    const body = await formOf()
    for (const said of [
      'Content-Type: application/x-www-form-urlencodedx',
      'Content-Type: application/x-www-form-urlencoded, application/json',
      'Content-Type: text/plain',
      'X-Content-Type: application/x-www-form-urlencoded',
    ]) {
      expect(told(await exchange(...post(body, said)))).toEqual([400, 'invalid_request'])
    }
  })

  test('none with a mark of its byte order before the first name, which is another name then', async () => {
    const body = await formOf()
    expect(told(await exchange(...post(`\u{feff}${body}`, type)))).toEqual([400, 'invalid_request'])
  })

  test('nothing of the URL: what is said there is not looked at', async () => {
    const body = await formOf()
    const line = `POST /oauth/token?${body} HTTP/1.1`
    const none = head(line, host, close, type, 'Content-Length: 0')
    expect(told(await exchange(none))).toEqual([401, 'invalid_client'])
    const length = `Content-Length: ${body.length}`
    const secret = head(
      'POST /oauth/token?client_secret=x&scope=orders:write HTTP/1.1',
      host,
      close,
      type,
      length,
    )
    expect(subjectsIn(await exchange(secret, body))).toEqual([web])
  })
})

describe('RFC 9112 on one connection', () => {
  test('each request is that of its own client, also where they come at once', async () => {
    const bodies = [await formOf('/web'), await formOf('/other'), 'x=1', await formOf('/web')]
    const requests = bodies.map((body, at) => {
      const length = `Content-Length: ${body.length}`
      const last = at === bodies.length - 1 ? [close] : []
      return head('POST /oauth/token HTTP/1.1', host, type, length, ...last) + body
    })
    const answer = await exchange(requests.join(''))
    expect(subjectsIn(answer)).toEqual([web, other, web])
    expect([...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => status)).toEqual([
      ...['200', '200', '401', '200'],
    ])
  })

  test('a body has one length', async () => {
    const body = await formOf()
    const chunked = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
    const length = `Content-Length: ${body.length}`
    for (const headers of [
      [length, 'Transfer-Encoding: chunked'],
      ['Transfer-Encoding: chunked', length],
      [length, `Content-Length: ${body.length + 1}`],
      ['Transfer-Encoding: chunked, identity'],
      ['Transfer-Encoding: xchunked'],
      [`Content-Length: +${body.length}`],
      [`Content-Length : ${body.length}`],
    ]) {
      const answer = await exchange(
        head('POST /oauth/token HTTP/1.1', host, type, ...headers),
        chunked,
      )
      expect([headers, subjectsIn(answer)]).toEqual([headers, []])
      expect(answer).not.toContain('HTTP/1.1 200')
    }
  })

  test('what follows a chunked body is no header of it, nor any more of the form', async () => {
    const body = await formOf()
    const chunks = [body.slice(0, 20), body.slice(20)].map(
      (one) => `${one.length.toString(16)};x=y\r\n${one}\r\n`,
    )
    const trailer = 'Authorization: Basic eDp5\r\nclient_secret: x\r\n'
    const request = head(
      'POST /oauth/token HTTP/1.1',
      host,
      close,
      type,
      'Transfer-Encoding: chunked',
    )
    const answer = await exchange(request, ...chunks, `0\r\n${trailer}\r\n`)
    expect(subjectsIn(answer)).toEqual([web])
  })

  test('who waits for leave to send its body gets it, and for anything else is refused', async () => {
    const body = await formOf()
    const answer = await exchange(...post(body, type, 'Expect: 100-continue'))
    expect(answer).toMatch(/^HTTP\/1\.1 100 Continue\r\n/)
    expect(subjectsIn(answer)).toEqual([web])
    const refused = await exchange(...post(body, type, 'Expect: 200-ok'))
    expect([told(refused)[0], subjectsIn(refused)]).toEqual([417, []])
  })

  test('whom it is sent to decides nothing: who serves it is who has the key of its certificate', async () => {
    const body = await formOf()
    const length = `Content-Length: ${body.length}`
    const ask = (line: string, ...headers: readonly string[]) =>
      exchange(head(line, close, type, length, ...headers), body)
    for (const said of ['Host: evil.example', 'Host: localhost:1', 'Host: ']) {
      expect(subjectsIn(await ask('POST /oauth/token HTTP/1.1', said))).toEqual([web])
    }
    for (const authority of ['as.example.org', 'evil.example']) {
      const line = `POST https://${authority}/oauth/token HTTP/1.1`
      expect(subjectsIn(await ask(line, host))).toEqual([web])
    }
    const forwarded = ['Forwarded: for=1.2.3.4;host=evil.example', 'X-Forwarded-Host: evil.example']
    expect(subjectsIn(await ask('POST /oauth/token HTTP/1.1', host, ...forwarded))).toEqual([web])
    expect(subjectsIn(await ask('POST /oauth/token HTTP/1.0'))).toEqual([web])
    expect(told(await ask('POST /oauth/token HTTP/1.1'))[0]).toBe(400)
    const metadata = 'GET /.well-known/oauth-authorization-server HTTP/1.1'
    const document = await exchange(head(metadata, 'Host: evil.example', close))
    expect(document).toContain(`"token_endpoint":"${issuer}/oauth/token"`)
    expect(document).not.toContain('evil')
    for (const line of [
      'POST //oauth/token HTTP/1.1',
      'POST /oauth/token/ HTTP/1.1',
      'POST /oauth/token;x HTTP/1.1',
      'POST /oauth/../oauth/token HTTP/1.1',
      'POST /OAUTH/TOKEN HTTP/1.1',
    ]) {
      const answer = await ask(line, host)
      expect([line, subjectsIn(answer), told(answer)[0] >= 400]).toEqual([line, [], true])
    }
  })
})
