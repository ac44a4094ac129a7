import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { jobToken } from '../../../src/cli/job-token.ts'

test('the key of a GitHub job is sent over https alone, whatever its environment names', async () => {
  let asked = 0
  const server = createServer((_request, response) => {
    asked += 1
    response.end('{"value":"a.b.c"}')
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const env = {
    ACTIONS_ID_TOKEN_REQUEST_URL: `http://127.0.0.1:${port}/token?api-version=2.0`,
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: 'of-the-job',
  }
  const got = jobToken(undefined, 'https://as.example.org', env, AbortSignal.timeout(30_000))
  await expect(got).rejects.toMatchObject({ reason: 'job-token-unavailable' })
  expect(asked).toBe(0)
})
