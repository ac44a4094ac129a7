import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeJwt } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { fileKeyManager } from '../../server/ca/key-manager.ts'
import { tokenExchangeGrant, tokenTypes } from '../../server/oauth/token-types.ts'
import { type Cause, factWriter } from '../../server/revocation/write-facts.ts'
import { openSqlite } from '../../server/store/sqlite.ts'
import { openStore } from '../../server/store/store.ts'
import { createClient } from '../../src/rpc/client.ts'
import { dialUnix } from '../../src/rpc/dial.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
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
import { recordsIn } from '../support/records-in.ts'
import { someAgent, startServer, trustDomain, wireEntry } from '../support/running-server.ts'
import { webCertificate } from '../support/web-certificate.ts'

const stock = 'https://stock.example.org'
const id = (path: string): string => `spiffe://${trustDomain}${path}`
const passOn = `
@id("passes-on")
permit (principal == Workload::"${id('/orders')}", action == Action::"exchangeToken", resource == Api::"${stock}");`

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

/** A server in a process of its own, which is killed, and one here that goes on with its data. */
async function startKillable() {
  const folder = mkdtempSync(join(tmpdir(), 'cs-crossed-'))
  const data = join(folder, 'server')
  const web = await webCertificate('as.example.org')
  const allowed = policyFolder(
    [...['web', 'api'].map((name) => allowWeb.replaceAll('web', name)), passOn].join('\n'),
  )
  onTestFinished(() => {
    for (const one of [folder, web.folder, allowed]) rmSync(one, { recursive: true, force: true })
  })
  mkdirSync(data, { mode: 0o700 })
  const [port, at] = [await freePort(), await freePort()]
  const config = join(folder, 'server.yaml')
  const resources = [
    { id: orders, scopes: ['orders:read'], max_ttl: '5m', served_by: [id('/orders')] },
    { id: stock, scopes: ['orders:read'], max_ttl: '5m' },
  ]
  const settings = {
    ...{ trust_domain: trustDomain, data_dir: data, bind_address: `127.0.0.1:${port}` },
    http_address: false,
    oauth: {
      ...{ issuer, address: `127.0.0.1:${at}`, policy: allowed },
      ...{ certificate: web.certificate, key: web.key, resources },
    },
  }
  writeFileSync(config, JSON.stringify(settings))
  const kill = await startProcess(config)
  const channel = dialUnix(join(data, 'admin', 'api.sock'))
  onTestFinished(() => channel.close())
  await createClient('spire.api.server.entry.v1.Entry', channel).unary('BatchCreateEntry', {
    entries: ['/web', '/api', '/orders'].map((path) => wireEntry({ path, parent: someAgent })),
  })
  const svids = createClient('spire.api.server.svid.v1.SVID', channel)
  return {
    kill,
    async proofOf(path: string): Promise<Record<string, string>> {
      const { svid } = await svids.unary('MintJWTSVID', {
        ...{ id: { trust_domain: trustDomain, path }, audience: [issuer] },
      })
      return { client_assertion_type: assertionType, client_assertion: svid?.token ?? '' }
    },
    async tokenFor(values: Record<string, string>): Promise<string> {
      const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
      const { body: said } = await ask(at, web, '/oauth/token', {
        ...{ method: 'POST', headers: formHeaders, body: form({ ...wish, ...values }) },
      })
      return (JSON.parse(said) as { readonly access_token: string }).access_token
    },
    /** What it, or another server, has revoked by then. */
    async write(now: Date, ...causes: readonly Cause[]): Promise<void> {
      const keys = await fileKeyManager(join(data, 'wrapping.key'))
      await using store = await openStore({
        connect: () => openSqlite(join(data, 'store.sqlite')),
        ...{ trustDomain, sealKey: keys.deriveKey(`row seal of ${trustDomain}`) },
        ...{ onRefused: () => {}, log: silentLog, clock: systemClock },
      })
      const write = factWriter({
        trustDomain: TrustDomain.parse('example.org'),
        clock: { now: () => now },
        proofSeconds: 1,
      })
      await store.write((tx) => write(tx, causes))
    },
    /** Resolves with the tokens that the next run revokes for this reason, once there are any. */
    async revokedAtStart(reason: string): Promise<readonly string[]> {
      const oauth = { ...oauthSettings(web, allowed), address: { host: '127.0.0.1', port: at } }
      const server = await startServer({ folder, overrides: { oauth } })
      onTestFinished(() => server.stop())
      const revoked = () =>
        recordsIn<{ reason?: string; jti: string }>(server.config.auditFile)
          .filter((record) => record.reason === reason)
          .map(({ jti }) => jti)
      await eventually(() => revoked().length > 0)
      return revoked()
    },
  }
}

test('T26 what a server has issued just before it was killed, across a revocation by another, it revokes when it is back', async () => {
  const { kill, proofOf, tokenFor, write, revokedAtStart } = await startKillable()
  const proofs = { web: await proofOf('/web'), api: await proofOf('/api') }
  await tokenFor(proofs.api)
  const { iat = 0, jti } = decodeJwt(await tokenFor(proofs.web))
  await kill()
  // Another server was about to write this in the second before the token's.
  await write(new Date(iat * 1000 - 1), { kind: 'spiffe-id', id: id('/web') })
  expect(await revokedAtStart('revoked-meanwhile')).toEqual([jti])
})

test('T26 what was exchanged for a token dies at the next start, where the server was killed right after that was revoked', async () => {
  const { kill, proofOf, tokenFor, write, revokedAtStart } = await startKillable()
  const proofs = { web: await proofOf('/web'), orders: await proofOf('/orders') }
  const exchanging = {
    ...{ ...proofs.orders, grant_type: tokenExchangeGrant, resource: stock },
    subject_token_type: tokenTypes.accessToken,
  }
  const [parent, other] = [await tokenFor(proofs.web), await tokenFor(proofs.web)]
  await tokenFor({ ...exchanging, subject_token: other })
  const child = await tokenFor({ ...exchanging, subject_token: parent })
  // Of the child there is no more than what is on record of it: the list comes later.
  await kill()
  const { jti: revoked = '', exp = 0 } = decodeJwt(parent)
  await write(new Date(), { kind: 'token', id: revoked, endsAt: new Date(exp * 1000) })
  expect(await revokedAtStart('parent-revoked')).toEqual([decodeJwt(child).jti])
})
