import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished, test } from 'vitest'
import { toPem } from '../../src/x509/pem.ts'
import { tryProxy } from '../support/forgeries.ts'
import { freePort } from '../support/free-port.ts'
import { startProxied } from '../support/proxied-service.ts'
import { shownBy } from '../support/shown.ts'
import { startIssuer } from '../support/token-issuer.ts'
import { webCertificate } from '../support/web-certificate.ts'
import { boundTo } from '../unit/resource-server/access-fixtures.ts'
import { lacks, type Stand, startStand } from './stand.ts'

const web = 'spiffe://example.org/web'

/** A file of deploy/, with paths and ports of the test in the place of its own. */
function deployed(name: string, places: Readonly<Record<string, string>>): string {
  let text = readFileSync(
    fileURLToPath(new URL(`../../deploy/nginx/${name}`, import.meta.url)),
    'utf8',
  )
  for (const [theirs, ours] of Object.entries(places)) {
    if (!text.includes(theirs)) throw new Error(`${name} does not say ${theirs}`)
    text = text.replaceAll(theirs, ours)
  }
  return text
}

async function startNginx(stand: Stand, upstream: number, socket: string): Promise<number> {
  const { folder } = stand
  const [port, pid] = [await freePort(), join(folder, 'nginx.pid')]
  await stand.files(['files', '--dir', join(folder, 'svid')])
  const places = {
    '127.0.0.1:8443': `127.0.0.1:${port}`,
    '127.0.0.1:8080': `127.0.0.1:${upstream}`,
    '/run/web/svid': join(folder, 'svid'),
    '/run/countersign-forward-auth/api.sock': socket,
  }
  const conf = join(folder, 'conf')
  mkdirSync(conf)
  writeFileSync(join(conf, 'forward-auth.conf'), deployed('forward-auth.conf', places))
  writeFileSync(join(conf, 'identity-headers.conf'), deployed('identity-headers.conf', {}))
  writeFileSync(
    join(conf, 'nginx.conf'),
    `daemon off; pid ${pid}; user www-data; error_log stderr; events {}\nhttp { access_log off; include forward-auth.conf; }`,
  )
  await stand.program('nginx', ['-p', folder, '-c', join(conf, 'nginx.conf')], () =>
    existsSync(pid),
  )
  return port
}

test('nginx lets in what forward-auth lets in, by deploy/nginx, and nobody names himself', {
  timeout: 600_000,
  skip: lacks('nginx'),
}, async () => {
  await using stand = await startStand()
  await using service = await startProxied()
  const { folder, api } = stand
  const certificate = await webCertificate('localhost')
  onTestFinished(() => rmSync(certificate.folder, { recursive: true, force: true }))
  const issuer = await startIssuer(certificate)
  onTestFinished(() => issuer.close())
  const [socket, config] = [join(folder, 'auth', 'api.sock'), join(folder, 'forward-auth.yaml')]
  const places = {
    '/run/countersign-forward-auth/api.sock': socket,
    'https://as.example.org': issuer.url,
    '# issuer_ca: web-ca.pem': `issuer_ca: ${certificate.ca}`,
  }
  writeFileSync(config, deployed('forward-auth.yaml', places))
  await stand.command(['forward-auth', '--config', config], () => existsSync(socket))
  const port = await startNginx(stand, service.port, socket)

  const svid = await api.grant(web, { ttlSeconds: 3600 })
  const other = await api.grant('spiffe://example.org/thief', { ttlSeconds: 3600 })
  const exp = Math.floor(Date.now() / 1000) + 3600
  const who = { sub: web, client_id: web, aud: 'https://orders.example.org', exp }
  const read = { ...who, scope: 'orders:read' }
  const [leaf = Buffer.alloc(0)] = svid.chain
  await tryProxy({
    ...{ port, service, web, client: shownBy(svid), thief: shownBy(other), anybody: {} },
    certificate: encodeURIComponent(toPem('CERTIFICATE', leaf)),
    bound: `Bearer ${await issuer.sign({ ...read, jti: 'bound', ...boundTo(leaf) })}`,
    unbound: `Bearer ${await issuer.sign({ ...read, jti: 'unbound' })}`,
    revoke: () => issuer.revoke({ kind: 'token', id: 'bound', notBefore: 0 }),
    malformed: [400],
  })
})
