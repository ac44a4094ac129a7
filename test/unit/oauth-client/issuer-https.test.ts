import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test, vi } from 'vitest'
import { issuerHttps } from '../../../src/oauth-client/issuer-https.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { webCertificate } from '../../support/web-certificate.ts'

test('T9 a proof goes to nobody whose certificate is not believed, whatever the environment says of TLS', async () => {
  const web = await webCertificate('localhost')
  onTestFinished(() => rmSync(web.folder, { recursive: true }))
  let asked = 0
  const server = createServer(
    { cert: readFileSync(web.certificate), key: readFileSync(web.key) },
    (_, response) => {
      asked += 1
      response.end('{}')
    },
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0')
  onTestFinished(() => void vi.unstubAllEnvs())
  const issuer = issuerHttps(undefined, undefined, systemClock)
  onTestFinished(() => issuer.close())
  const url = `https://localhost:${(server.address() as AddressInfo).port}/oauth/token`
  await expect(issuer.post(url, { client_assertion: 'a' })).rejects.toMatchObject({
    reason: 'issuer-unavailable',
  })
  expect(asked).toBe(0)
})
