// Somebody else's service: knows nothing of workloads, and takes a static key.
//
//   node vendor.ts PORT CERTIFICATE-FILE KEY-FILE API-KEY-FILE
import { hash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'

const [port = '', certificate = '', key = '', apiKey = ''] = process.argv.slice(2)
const digest = (text: string): Buffer => hash('sha256', text.trim(), 'buffer')
const expected = digest(readFileSync(apiKey, 'utf8'))
const server = createServer(
  { cert: readFileSync(certificate), key: readFileSync(key) },
  ({ headers }, response) => {
    const isKnown = timingSafeEqual(digest(String(headers['x-api-key'])), expected)
    response.writeHead(isKnown ? 200 : 401)
    response.end(JSON.stringify({ paid: isKnown, tokenSeen: headers.authorization !== undefined }))
  },
)
server.listen(Number(port), '127.0.0.1', () =>
  console.log(JSON.stringify({ event: 'listening', ...Object(server.address()) })),
)
