import { readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { connectEndpoint } from '../../../src/federation/connect.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { silentAddress } from '../../support/silent-address.ts'
import { webCertificate } from '../../support/web-certificate.ts'

test('an address that answers nothing leaves time for the next one', async () => {
  const host = 'bundle.partner.test'
  const web = await webCertificate(host)
  const server = createServer({ cert: readFileSync(web.certificate), key: readFileSync(web.key) })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
    rmSync(web.folder, { recursive: true, force: true })
  })
  const { port } = server.address() as AddressInfo
  await silentAddress('127.0.0.2', port)
  const clock = new FakeClock()
  const connected = connectEndpoint(
    { addresses: ['127.0.0.2', '127.0.0.1'], port, serverName: host },
    {
      profile: { type: 'https_web', ca: [readFileSync(web.ca, 'utf8')] },
      ...{ timeoutMs: 10_000, clock, signal: new AbortController().signal },
    },
  )
  await eventually(() => clock.sleeping > 0)
  await clock.advance(1000)
  const socket = await connected
  expect(socket.remoteAddress).toBe('127.0.0.1')
  socket.destroy()
})
