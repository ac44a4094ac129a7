// A vendor's HTTPS server in a process of its own: 1 KiB for each request.
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { webCertificate } from '../test/support/web-certificate.ts'
import { say } from './support/child.ts'

const web = await webCertificate('api.acme.test')
const body = Buffer.alloc(1024, 'a')
const server = createServer(
  { cert: readFileSync(web.certificate), key: readFileSync(web.key), keepAliveTimeout: 0 },
  (request, response) => {
    request.resume()
    response.writeHead(200, { 'content-length': body.length }).end(body)
  },
)
server.listen(0, '127.0.0.1', () =>
  say({ port: (server.address() as AddressInfo).port, ca: web.ca }),
)
