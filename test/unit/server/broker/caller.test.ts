import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { expect, test } from 'vitest'
import { identify, lapseOf } from '../../../../server/broker/caller.ts'
import { createVerifier } from '../../../../src/resource-server/verifier.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const [issuer, audience, web] = ['https://as.test', 'https://broker.test/acme', 'spiffe://a/web']

test('a caller’s token counts for a call under way until it ends, by the difference of clocks that is let pass', async () => {
  const clock = new FakeClock()
  const { publicKey, privateKey } = await generateKeyPair('ES256')
  const key = { ...(await exportJWK(publicKey)), kid: 'key', use: 'sig', alg: 'ES256' }
  const verifier = createVerifier({
    ...{ issuer, audience, clock, clockSkew: 5 },
    jwks: async () => JSON.stringify({ keys: [key] }),
  })
  const nowMs = clock.now().getTime()
  const iat = Math.floor(nowMs / 1000)
  const claims = { iss: issuer, aud: audience, sub: web, client_id: web, jti: 'a', scope: 'call' }
  const token = await new SignJWT({ ...claims, iat, exp: iat + 60 })
    .setProtectedHeader({ alg: 'ES256', kid: 'key', typ: 'at+jwt' })
    .sign(privateKey)
  const request = new IncomingMessage(new Socket())
  request.rawHeaders = ['Authorization', `Bearer ${token}`]
  request.headers = { authorization: `Bearer ${token}` }
  const caller = await identify(request, undefined, { verifier, svidAlone: false })
  const endsAtMs = (iat + 65) * 1000
  expect([endsAtMs - 1, endsAtMs].map((at) => lapseOf(caller, at, 60_000)?.reason)).toEqual([
    ...[undefined, 'token-expired'],
  ])
})
