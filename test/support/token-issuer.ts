import { readFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { CompactSign, exportJWK, generateKeyPair, SignJWT } from 'jose'
import {
  emptyHead,
  type Fact,
  type Head,
  headAfter,
  type NumberedFact,
} from '../../src/revocation/fact.ts'
import { claimsOfMessage, type FeedMessage, feedType } from '../../src/revocation/feed-message.ts'
import type { WebCertificate } from './web-certificate.ts'

export interface TokenIssuer {
  /** `https://localhost:PORT` */
  readonly url: string
  /** An access token; the claims are laid over sound ones. */
  sign(claims: Readonly<Record<string, unknown>>): Promise<string>
  /** Tells those who follow the feed. */
  revoke(fact: Omit<Fact, 'endsAt'> & { readonly endsAt?: number }): void
  /** Whether the feed says anything; it does unless told. */
  speak(aloud: boolean): void
  close(): Promise<void>
}

const beatMs = 100

/** An issuer of access tokens with its keys, its feed of revocations and a word for each token, over HTTPS, in this process. */
export async function startIssuer(web: WebCertificate): Promise<TokenIssuer> {
  const tokens = await keyFor('tokens')
  const feedKey = await keyFor('feed')
  const feed = feedOf(
    () => url,
    (text) =>
      new CompactSign(Buffer.from(text))
        .setProtectedHeader({ alg: 'ES256', kid: 'feed', typ: feedType })
        .sign(feedKey.privateKey),
  )
  const tls = { cert: readFileSync(web.certificate), key: readFileSync(web.key) }
  const server = createServer(tls, (request, response) => {
    if (request.url === '/oauth/jwks') response.end(tokens.keys)
    else if (request.url === '/oauth/feed-keys') response.end(feedKey.keys)
    else if (request.url?.startsWith('/oauth/feed?')) feed.serve(request, response)
    // What it has revoked the feed says.
    else if (request.url === '/oauth/introspect') response.end('{"active":true}')
    else response.writeHead(404).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `https://localhost:${(server.address() as AddressInfo).port}`
  return {
    url,
    sign(claims) {
      const now = Math.floor(Date.now() / 1000)
      return new SignJWT({ iss: url, iat: now, exp: now + 60, scope: 'call', ...claims })
        .setProtectedHeader({ alg: 'ES256', kid: 'tokens', typ: 'at+jwt' })
        .sign(tokens.privateKey)
    },
    revoke: feed.revoke,
    speak: feed.speak,
    async close() {
      feed.stop()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

async function keyFor(kid: string) {
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const jwk = { ...(await exportJWK(publicKey)), kid, use: 'sig', alg: 'ES256' }
  return { privateKey, keys: JSON.stringify({ keys: [jwk] }) }
}

function feedOf(iss: () => string, sign: (text: string) => Promise<string>) {
  const facts: NumberedFact[] = []
  const readers = new Set<ServerResponse>()
  let head: Head = emptyHead
  let silent = false
  let saying = Promise.resolve()

  const say = (to: Iterable<ServerResponse>, part: Partial<FeedMessage>): void => {
    const message: FeedMessage = {
      ...{ iss: iss(), log: 'log', run: 'run', clock: performance.now(), facts: [], head },
      ...part,
    }
    const text = JSON.stringify(claimsOfMessage(message))
    const all = [...to]
    saying = saying.then(async () => {
      const data = await sign(text)
      for (const reader of all) reader.write(`id: log.${message.head.number}\ndata: ${data}\n\n`)
    })
  }
  const beat = setInterval(() => {
    if (!silent) say(readers, { prev: head })
  }, beatMs)
  return {
    serve(request: IncomingMessage, response: ServerResponse): void {
      const nonce = new URL(request.url ?? '', iss()).searchParams.get('nonce') ?? ''
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      if (silent) return
      const page = { number: 1, of: 1 }
      const all = facts.map((fact) => ({ ...fact, number: 0 }))
      say([response], { facts: all, page, hello: { nonce, now: performance.now() } })
      readers.add(response)
      response.on('close', () => readers.delete(response))
    },
    revoke(fact: Omit<Fact, 'endsAt'> & { readonly endsAt?: number }): void {
      const numbered = { endsAt: Date.now() / 1000 + 3600, ...fact, number: head.number + 1 }
      const prev = head
      facts.push(numbered)
      head = headAfter(head, numbered)
      say(readers, { prev, facts: [numbered], head })
    },
    speak(aloud: boolean): void {
      silent = !aloud
    },
    stop: () => clearInterval(beat),
  }
}
