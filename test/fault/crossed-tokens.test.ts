import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { fileKeyManager } from '../../server/ca/key-manager.ts'
import { factWriter } from '../../server/revocation/write-facts.ts'
import { openSqlite } from '../../server/store/sqlite.ts'
import { openStore } from '../../server/store/store.ts'
import { createClient } from '../../src/rpc/client.ts'
import { dialUnix } from '../../src/rpc/dial.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { start } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import {
  allowWeb,
  ask,
  assertionType,
  form,
  formHeaders,
  issuer,
  oauthSettings,
  orders,
  policyFolder,
} from '../support/oauth.ts'
import { someAgent, startServer, trustDomain, wireEntry } from '../support/running-server.ts'
import { webCertificate } from '../support/web-certificate.ts'

const folder = mkdtempSync(join(tmpdir(), 'cs-crossed-'))
const data = join(folder, 'server')
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Resolves once a server in a process of its own issues tokens; what is called then kills it. */
async function startProcess(config: string): Promise<() => Promise<unknown>> {
  const child = start(['server', 'run', '--config', config])
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = new Promise((resolve) => child.once('exit', resolve))
  let said = ''
  await new Promise<void>((resolve, reject) => {
    const hear = (chunk: unknown): void => {
      said += String(chunk)
      if (said.includes('access tokens are issued')) resolve()
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    void ended.then(() => reject(new Error(said)))
  })
  return () => {
    child.kill('SIGKILL')
    return ended
  }
}

test('T26 what a server has issued just before it was killed, across a revocation by another, it revokes when it is back', async () => {
  const web = await webCertificate('as.example.org')
  const allowed = policyFolder(
    ['web', 'api'].map((name) => allowWeb.replaceAll('web', name)).join('\n'),
  )
  onTestFinished(() => {
    for (const one of [web.folder, allowed]) rmSync(one, { recursive: true, force: true })
  })
  mkdirSync(data, { mode: 0o700 })
  const [port, at] = [await freePort(), await freePort()]
  const config = join(folder, 'server.yaml')
  const settings = {
    ...{ trust_domain: trustDomain, data_dir: data, bind_address: `127.0.0.1:${port}` },
    http_address: false,
    oauth: {
      ...{ issuer, address: `127.0.0.1:${at}`, policy: allowed },
      ...{ certificate: web.certificate, key: web.key },
      resources: [{ id: orders, scopes: ['orders:read'], max_ttl: '5m' }],
    },
  }
  writeFileSync(config, JSON.stringify(settings))
  const kill = await startProcess(config)
  const channel = dialUnix(join(data, 'admin', 'api.sock'))
  onTestFinished(() => channel.close())
  await createClient('spire.api.server.entry.v1.Entry', channel).unary('BatchCreateEntry', {
    entries: ['/web', '/api'].map((path) => wireEntry({ path, parent: someAgent })),
  })
  const svids = createClient('spire.api.server.svid.v1.SVID', channel)
  const proofOf = async (path: string): Promise<Record<string, string>> => {
    const id = { trust_domain: trustDomain, path }
    const { svid } = await svids.unary('MintJWTSVID', { id, audience: [issuer] })
    return { client_assertion_type: assertionType, client_assertion: svid?.token ?? '' }
  }
  const tokenFor = async (values: Record<string, string>) => {
    const body = form({ ...wish, ...values })
    const { body: said } = await ask(at, web, '/oauth/token', {
      method: 'POST',
      headers: formHeaders,
      body,
    })
    return (JSON.parse(said) as { readonly access_token: string }).access_token
  }
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  const proofs = { web: await proofOf('/web'), api: await proofOf('/api') }
  await tokenFor(proofs.api)
  const token = await tokenFor(proofs.web)
  await kill()

  // Another server was about to write this in the second before the token's.
  const keys = await fileKeyManager(join(data, 'wrapping.key'))
  const { iat = 0, jti } = decodeJwt(token)
  const before = { now: () => new Date(iat * 1000 - 1) }
  {
    await using store = await openStore({
      connect: () => openSqlite(join(data, 'store.sqlite')),
      ...{ trustDomain, sealKey: keys.deriveKey(`row seal of ${trustDomain}`) },
      ...{ onRefused: () => {}, log: silentLog, clock: systemClock },
    })
    const write = factWriter({ clock: before, svidTtlSeconds: 1 })
    await store.write((tx) => write(tx, [{ kind: 'spiffe-id', id: 'spiffe://example.org/web' }]))
  }
  const oauth = { ...oauthSettings(web, allowed), address: { host: '127.0.0.1', port: at } }
  const server = await startServer({ folder, overrides: { oauth } })
  onTestFinished(() => server.stop())
  const revoked = () =>
    readFileSync(server.config.auditFile, 'utf8')
      .split('\n')
      .filter((line) => line.includes('revoked-meanwhile'))
      .map((line) => (JSON.parse(line) as { jti: string }).jti)
  await eventually(() => revoked().length > 0)
  expect(revoked()).toEqual([jti])
})
