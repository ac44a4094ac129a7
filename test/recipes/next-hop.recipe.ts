import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'countersign/http'
import { OauthClient } from 'countersign/oauth-client'
import { accessOf, createVerifier, requireAccessToken } from 'countersign/resource-server'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/runtime/clock.ts'
import { matchTrustDomain } from '../../src/spiffe-id/matchers.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import { startIssuer } from '../unit/oauth-client/test-issuer-server.ts'
import { leastChanges, seconds, startStand } from './stand.ts'

const audience = 'https://stock.example.org'
const authorize = matchTrustDomain(TrustDomain.parse('example.org'))

/** `npm run recipes -- --seconds 120`: SVIDs of 8 s that change each second, and bound tokens with them. */
test('a service that is asked with bound tokens loses no call while SVIDs change', {
  timeout: seconds * 1000 + 600_000,
}, async () => {
  await using stand = await startStand()
  const issuer = await startIssuer(systemClock, 300)
  await using source = await X509Source.open({ endpoint: stand.api.endpoint })
  const verifier = createVerifier({
    ...{ issuer: issuer.issuer, audience, requireBound: true },
    jwks: async () => JSON.stringify({ keys: [issuer.jwk] }),
  })
  const guard = requireAccessToken({ verifier, scopes: ['stock:read'] })
  const service = createServer({ source, authorize }, (request, response) => {
    void guard(request, response, () => response.end(accessOf(request).subject))
  }).listen(0, '127.0.0.1')
  await once(service, 'listening')
  const url = `https://127.0.0.1:${(service.address() as AddressInfo).port}/`
  await using client = new OauthClient({
    ...{ issuer: issuer.issuer, endpoints: { token: issuer.url }, ca: issuer.ca },
    ...{ source, authorize },
  })
  const hop = client.call(audience, 'stock:read')
  const lost: string[] = []
  let calls = 0
  const isEnough = () => calls > seconds * 50 && issuer.asked.length > leastChanges
  const rotations = await stand.during(async (over) => {
    const work = async (): Promise<void> => {
      while (!over(lost.length > 0 || isEnough())) {
        const said = await hop
          .fetch(url)
          .then(async (one) => `${one.status} ${await one.text()}`, String)
        calls += 1
        if (said !== '200 spiffe://example.org/web') lost.push(said)
      }
    }
    await Promise.all([work(), work(), work(), work()])
  })
  service.closeAllConnections()
  service.close()
  const tokens = issuer.asked.length
  process.stderr.write(
    `next hop: ${JSON.stringify({ rotations, calls, tokens, lost: lost.length })}\n`,
  )
  expect(lost.slice(0, 5)).toEqual([])
  expect(rotations).toBeGreaterThan(leastChanges)
  expect(isEnough()).toBe(true)
})
