import { readFileSync, rmSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import { onTestFinished } from 'vitest'
import type { Clock } from '../../../src/runtime/clock.ts'
import { webCertificate } from '../../support/web-certificate.ts'
import { boundTo, type TestIssuer, testIssuer } from '../resource-server/access-fixtures.ts'

/** An authorization server on a real port, as far as its clients see one. */
export interface IssuerServer extends TestIssuer {
  readonly ca: readonly string[]
  readonly url: string
  /** The forms that came, oldest first. */
  readonly asked: URLSearchParams[]
  /** From now on it answers so; undefined: with tokens. */
  answer:
    | { readonly status: number; readonly body: string; readonly retryAfter?: string }
    | undefined
  /** Awaited before each answer. */
  hold: () => Promise<unknown>
}

/** Tokens live for `lifeSeconds`, and no longer than the client's certificate, to which they are bound. */
export async function startIssuer(clock: Clock, lifeSeconds: number): Promise<IssuerServer> {
  const web = await webCertificate('localhost')
  const tls = { cert: readFileSync(web.certificate), key: readFileSync(web.key) }
  const issuer = await testIssuer(clock)
  const server = createServer({ ...tls, requestCert: true, rejectUnauthorized: false })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const self: IssuerServer = {
    ...issuer,
    ca: [readFileSync(web.ca, 'utf8')],
    url: `https://localhost:${port}/token`,
    asked: [],
    answer: undefined,
    hold: async () => {},
  }
  const give = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (request.method === 'GET') return void response.end(JSON.stringify({ keys: [issuer.jwk] }))
    const form = new URLSearchParams(await text(request))
    self.asked.push(form)
    await self.hold()
    const { answer } = self
    if (answer !== undefined) {
      const { status, retryAfter, body } = answer
      response.writeHead(status, retryAfter === undefined ? {} : { 'retry-after': retryAfter })
      response.end(body)
      return
    }
    const certificate = (request.socket as TLSSocket).getPeerX509Certificate()
    const iat = Math.floor(clock.now().getTime() / 1000)
    const endsAt = certificate && Math.floor(new Date(certificate.validTo).getTime() / 1000)
    const exp = Math.min(iat + lifeSeconds, endsAt ?? Number.POSITIVE_INFINITY)
    const subject = form.get('client_id') ?? 'spiffe://here.test/client'
    const token = await issuer.token({
      ...{ aud: form.get('resource'), scope: form.get('scope'), iat, exp },
      ...{ sub: subject, client_id: subject, ...(certificate && boundTo(certificate.raw)) },
    })
    const given = { access_token: token, token_type: 'Bearer', expires_in: exp - iat }
    response.end(JSON.stringify(given))
  }
  server.on('request', (request, response) => void give(request, response))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
    rmSync(web.folder, { recursive: true, force: true })
  })
  return self
}
