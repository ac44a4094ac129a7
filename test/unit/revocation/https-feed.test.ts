import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import type { RequestListener } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { feedAt } from '../../../src/revocation/https-feed.ts'
import { type WebCertificate, webCertificate } from '../../support/web-certificate.ts'

const clientId = 'spiffe://example.org/orders'
const request = { nonce: 'nonce', lastEventId: undefined, sent() {} }

let web: WebCertificate
let server: Server
let answer: RequestListener

beforeAll(async () => {
  web = await webCertificate('localhost')
  const [cert, key] = [readFileSync(web.certificate), readFileSync(web.key)]
  server = createServer({ cert, key }, (asked, response) => answer(asked, response)).listen(0)
  await once(server, 'listening')
})

afterAll(() => {
  server.close()
  rmSync(web.folder, { recursive: true })
})

function open() {
  const { port } = server.address() as AddressInfo
  const tls = () => ({ ca: readFileSync(web.ca) })
  const feed = feedAt({ url: `https://localhost:${port}/oauth/feed`, clientId, tls })
  return feed.open(request, new AbortController().signal)
}

test.each([
  [401, 'the audit trail of the issuer says why it does not believe spiffe://example.org/orders'],
  [403, 'let `served_by` of a resource name spiffe://example.org/orders'],
  [404, 'see whether there is such a feed, and what the log of the issuer says'],
])('what to do about status %i is said, and by whom it was asked', async (status, fix) => {
  answer = (_, response) => void response.writeHead(status).end()
  await expect(open()).rejects.toMatchObject({
    code: 'unavailable',
    reason: 'feed-refused',
    message: `the revocation feed answers with status ${status}`,
    fix,
  })
})

test('a connection that breaks is an end like others, and no bug', async () => {
  answer = (asked, response) => {
    response.writeHead(200).write('data: x\n\n', () => asked.socket.destroy())
  }
  const read = async (): Promise<void> => {
    for await (const _ of await open());
  }
  await expect(read()).rejects.toMatchObject({ code: 'unavailable', reason: 'feed-broken' })
})
