import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from '../../support/free-port.ts'
import { type WebCertificate, webCertificate } from '../../support/web-certificate.ts'

let web: WebCertificate
let base: string
let asked: string[]
const server = createServer((request, response) => {
  const { url = '' } = request
  asked.push(url)
  if (url === '/moved') response.writeHead(302, { location: '/keys' })
  if (url === '/none') response.writeHead(404)
  response.end('x'.repeat(url === '/large' ? 11 : 10))
})

beforeAll(async () => {
  web = await webCertificate('localhost')
  asked = []
  server.setSecureContext({ cert: readFileSync(web.certificate), key: readFileSync(web.key) })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  base = `https://localhost:${(server.address() as AddressInfo).port}`
})

afterAll(() => {
  server.close()
  rmSync(web.folder, { recursive: true })
})

/** In a process of its own, under this environment: what each path gives. */
async function fetchAll(paths: readonly string[], env: NodeJS.ProcessEnv): Promise<unknown[]> {
  const file = fileURLToPath(new URL('../../../src/runtime/http-get.ts', import.meta.url))
  const urls = paths.map((path) => `${base}${path}`)
  const script = `
    import { fetchDocument } from ${JSON.stringify(file)}
    const told = []
    for (const url of ${JSON.stringify(urls)}) {
      told.push(await fetchDocument(url, 10, { agent: false, signal: AbortSignal.timeout(30_000) }).catch((e) => e.reason ?? e.code))
    }
    console.log(JSON.stringify(told))`
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', script],
    { env: { ...process.env, ...env } },
  )
  return JSON.parse(stdout) as unknown[]
}

test('T9 keys come from nobody whose certificate is not believed, nor by a proxy, whatever the environment says', async () => {
  const proxy = `http://127.0.0.1:${await freePort()}`
  const proxied = { NODE_USE_ENV_PROXY: '1', HTTPS_PROXY: proxy, https_proxy: proxy, NO_PROXY: '' }
  const believed = { NODE_EXTRA_CA_CERTS: web.ca, NODE_TLS_REJECT_UNAUTHORIZED: '1', ...proxied }
  const [unbelieved, good] = await Promise.all([
    fetchAll(['/unbelieved'], { NODE_TLS_REJECT_UNAUTHORIZED: '0' }),
    fetchAll(['/keys', '/large', '/none', '/moved'], believed),
  ])
  expect(unbelieved).toEqual(['UNABLE_TO_VERIFY_LEAF_SIGNATURE'])
  expect(good).toEqual(['x'.repeat(10), 'http-too-large', 'http-status', 'http-status'])
  expect(asked).toEqual(['/keys', '/large', '/none', '/moved'])
})
