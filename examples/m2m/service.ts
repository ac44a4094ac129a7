// One service of the demo: takes requests with an access token for it, and passes each on for whom it came.
//
//   node service.ts '{"issuer", "resource", "scope", "next": {"resource", "scope", "url"}}'
//
// What happens it prints, a line of JSON each. For `hold` on standard input it sends what it last passed on again and
// again, with the very token that it holds, and says when that was refused and why.
import type { ServerResponse } from 'node:http'
import { createInterface } from 'node:readline'
import { matchTrustDomain, SpiffeId, X509Source } from 'countersign'
import { createServer } from 'countersign/http'
import { type NextHop, OauthClient } from 'countersign/oauth-client'
import {
  type Access,
  accessOf,
  createVerifier,
  requireAccessToken,
} from 'countersign/resource-server'
import { openHttpClient } from 'countersign/undici'

const { issuer, resource, scope, next } = JSON.parse(process.argv[2] ?? '{}')
const say = (line: object): void => console.log(JSON.stringify(line))

const source = await X509Source.open()
const authorize = matchTrustDomain(SpiffeId.trustDomainOf(source.svid().spiffeId))
const client = new OauthClient({ issuer, source, authorize })
const verifier = createVerifier({ issuer, audience: resource, revocations: client.revocations() })
const guard = requireAccessToken({ verifier, scopes: [scope] })
let last: NextHop | undefined

const server = createServer({ source, authorize }, (request, response) =>
  guard(request, response, () => void passOn(accessOf(request), response)),
)
server.listen(0, '127.0.0.1', () => say({ event: 'listening', ...Object(server.address()) }))

for await (const line of createInterface({ input: process.stdin })) {
  if (line === 'hold' && last !== undefined) void holdOn(last)
}
process.exit()

async function passOn(access: Access, response: ServerResponse): Promise<void> {
  say({ event: 'served', subject: access.subject, actors: access.actors })
  const { status, body } = await answerFor(access)
  response.writeHead(status).end(body)
}

/** What the next service says. What is refused behind this one is no refusal of its own. */
async function answerFor(access: Access): Promise<{ status: number; body: string }> {
  try {
    last = client.onBehalfOf(access).call(next.resource, next.scope)
    const answer = await last.fetch(next.url)
    return { status: answer.ok ? 200 : 502, body: await answer.text() }
  } catch (error) {
    return { status: 502, body: String(error) }
  }
}

/** As a thief would who has the token and the key: without asking the issuer for another one. */
async function holdOn(hop: NextHop): Promise<void> {
  const { token } = await hop.token()
  const http = await openHttpClient({ source, authorize })
  const ask = async () => {
    const answer = await http.fetch(next.url, { headers: { authorization: `Bearer ${token}` } })
    return { status: answer.status, body: await answer.text() }
  }
  let held = false
  for (let cutOff = 0; ; ) {
    // What is under way when the token ends is cut off: why, the next one is told.
    const answer = await ask().catch((error: unknown) => {
      if (++cutOff > 10) throw error
    })
    if (answer === undefined) continue
    cutOff = 0
    if (!held) say({ event: 'holding', status: answer.status })
    held = true
    if (answer.status === 401) return say({ event: 'refused', atMs: Date.now(), ...answer })
  }
}
