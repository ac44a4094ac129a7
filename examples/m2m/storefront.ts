// Where the demo's requests begin: asks the first service on its own account.
//
//   node storefront.ts '{"issuer", "next": {"resource", "scope", "url"}}'
//
// For each line of standard input it asks once, and prints the answer, a line of JSON.
import { createInterface } from 'node:readline'
import { matchTrustDomain, SpiffeId, X509Source } from 'countersign'
import { OauthClient } from 'countersign/oauth-client'

const { issuer, next } = JSON.parse(process.argv[2] ?? '{}')
const source = await X509Source.open()
const authorize = matchTrustDomain(SpiffeId.trustDomainOf(source.svid().spiffeId))
const client = new OauthClient({ issuer, source, authorize })

const say = (line: object): void => console.log(JSON.stringify(line))

say({ event: 'ready', spiffeId: source.svid().spiffeId })
for await (const _ of createInterface({ input: process.stdin })) {
  try {
    const answer = await client.call(next.resource, next.scope).fetch(next.url)
    say({ event: 'answered', status: answer.status, body: await answer.text() })
  } catch (error) {
    say({ event: 'answered', status: 0, body: String((error as Error).cause ?? error) })
  }
}
process.exit()
