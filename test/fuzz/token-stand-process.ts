// A real server that issues access tokens, in a process of its own, as `stand-process.ts`.

import { readFileSync } from 'node:fs'
import type { EventStream } from '../../server/oauth/ssf/settings.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { ask, form, formHeaders, issuer, orders, resourceOf } from '../support/oauth.ts'
import { mint, mintJwt, someAgent, trustDomain, wireEntry } from '../support/running-server.ts'
import { shownBy } from '../support/shown.ts'
import { startTokenServer } from '../support/token-server.ts'
import { isOfTime, type StandLine } from './stand.ts'
import type { TokenStandAddress } from './token-service.ts'

const say = (line: StandLine<TokenStandAddress>): void =>
  void process.stdout.write(`${JSON.stringify(line)}\n`)

const stock = 'https://stock.example.org'
const [web, edge] = ['/web', '/edge'].map((path) => SpiffeId.of(trustDomain, path)) as [
  SpiffeId,
  SpiffeId,
]
const stream: EventStream = {
  ...{ id: 'events', audience: 'events', subjects: undefined, push: undefined },
  ...{ receivers: new Set([web]), events: new Set(['session-revoked']) },
}
const resources = [
  resourceOf(orders, {
    ...{ servedBy: new Set([web]), maxTtlSeconds: 3600 },
    scopeMap: new Map([['orders:read', ['stock:read']]]),
  }),
  resourceOf(stock, { scopes: ['stock:read', 'ssf.read'], requireCnf: true }),
]
const server = await startTokenServer({
  policy: '@id("all") permit (principal, action, resource);',
  oauth: {
    resources: new Map(resources.map((one) => [one.id, one])),
    legacyEdges: new Set([edge]),
    streams: new Map([[stream.id, stream]]),
  },
  log: {
    error(message, fields) {
      if (!isOfTime(message)) say({ failed: `${message}: ${String(fields?.['error'])}` })
    },
  },
})
await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
  entries: ['/web', '/edge'].map((path) => wireEntry({ path, parent: someAgent })),
})
const identity = await mint(server, '/web', 86_000)
const wish = {
  ...{ grant_type: 'client_credentials', client_id: web },
  ...{ resource: orders, scope: 'orders:read' },
}
const tokens: string[] = []
for (let n = 0; n < 20; n += 1) {
  const { body } = await ask(server.port, server.certificate, '/oauth/token', {
    ...{ method: 'POST', headers: formHeaders, body: form(wish), identity },
  })
  tokens.push((JSON.parse(body) as { access_token: string }).access_token)
}
say({
  port: server.port,
  ca: readFileSync(server.certificate.ca, 'utf8'),
  ...{ shown: shownBy(identity), tokens, stock },
  assertion: await mintJwt(server, '/web', issuer, 3600),
})
process.stdin.resume().on('close', () => server.remove())
