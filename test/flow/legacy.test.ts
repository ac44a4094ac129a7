import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { Agent } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { toPem } from '../../src/x509/pem.ts'
import { runHere } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import { ask, form, formHeaders, orders, resourceOf } from '../support/oauth.ts'
import { recordsIn } from '../support/records-in.ts'
import { mint, type TestIdentity, wireEntry } from '../support/running-server.ts'
import { startTokenServer, type TokenServer } from '../support/token-server.ts'
import type { WebCertificate } from '../support/web-certificate.ts'

const folder = mkdtempSync(join(tmpdir(), 'cs-legacy-'))
const [stock, brief, bound] = ['stock', 'brief', 'bound'].map(
  (name) => `https://${name}.example.org`,
) as [string, string, string]
const policy = `
@id("tills")
permit (principal is Workload, action == Action::"issueToken", resource)
when {
  principal.path like "/legacy/till-*" && context.auth == "legacy_key" && context.ttl <= 60
  && (context.address.isInRange(ip("10.7.0.0/16")) || context.address.isLoopback())
};`
let certificate: WebCertificate
let server: TokenServer
let port: number
let edge: TestIdentity
let other: TestIdentity

beforeAll(async () => {
  const legacyEdges = new Set([SpiffeId.parse('spiffe://example.org/edge')])
  const servedBy = new Set([SpiffeId.parse('spiffe://example.org/other')])
  const resources = new Map(
    [
      resourceOf(orders, { servedBy }),
      resourceOf(stock),
      resourceOf(brief, { maxTtlSeconds: 20 }),
      resourceOf(bound, { requireCnf: true }),
    ].map((resource) => [resource.id, resource]),
  )
  server = await startTokenServer({ policy, oauth: { resources, legacyEdges } })
  certificate = server.certificate
  port = server.port
  const parent = SpiffeId.parse('spiffe://example.org/spire/server')
  await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
    entries: ['/edge', '/other'].map((path) => wireEntry({ path, parent })),
  })
  edge = await mint(server, '/edge')
  other = await mint(server, '/other')
})

afterAll(async () => {
  await server?.remove()
  rmSync(folder, { recursive: true })
})

async function legacy(...args: readonly string[]) {
  const socket = ['--admin-socket', server.config.adminSocket, '-o', 'json']
  const { stdout, stderr, code } = await runHere(['legacy', ...args, ...socket])
  return { code, stderr, said: stdout === '' ? undefined : JSON.parse(stdout) }
}

function add(name: string, ...more: readonly string[]) {
  return legacy(
    ...['add', name, '--owner', 'shops', '--purpose', 'old tills', '--network', '10.7.0.0/16'],
    ...['--resource', orders, '--scope', 'orders:read', '--expires', '30d', ...more],
  )
}

async function change(
  key: string,
  more: Record<string, string> = {},
  identity = edge,
  agent?: Agent,
) {
  const client_id = identity.id
  const values = { client_id, key, client_address: '10.7.0.9', ...more }
  const options = {
    ...{ method: 'POST', headers: formHeaders, body: form(values), identity },
    ...(agent !== undefined && { agent }),
  }
  const { status, headers, body } = await ask(port, certificate, '/oauth/legacy', options)
  return { status, headers, ...JSON.parse(body) }
}

interface Line {
  readonly kind: string
  readonly reason?: string
  readonly entryId?: string
  readonly actor: { readonly address?: string }
  readonly details?: Readonly<Record<string, unknown>>
}

function lastRecord(kind: string): Line {
  const records = recordsIn<Line>(server.config.auditFile)
  return records.findLast((record) => record.kind === kind) ?? expect.fail(`no ${kind}`)
}

test('an edge gets a token of a minute for a key, for what that was registered for, on record', async () => {
  const { said, stderr } = await add('till-1')
  expect(said.key).toMatch(/^csk_[A-Za-z0-9_-]{43}$/)
  expect(stderr).toContain('shown once')
  expect(stderr).not.toContain('legacy_edges')
  expect(lastRecord('entry.created').details?.['legacy']).toBe(
    `net:10.7.0.0/16 resource:${orders} scope:orders:read`,
  )
  const answer = await change(said.key)
  expect(answer).toMatchObject({ status: 200, expires_in: 60, scope: 'orders:read' })
  expect(answer.headers.authorization).toBe(`Bearer ${answer.access_token}`)
  expect(decodeJwt(answer.access_token)).toMatchObject({
    ...{ sub: 'spiffe://example.org/legacy/till-1', aud: orders, owner: 'shops' },
    entry_id: said.entryId,
  })
  expect(lastRecord('token.issued')).toMatchObject({
    actor: { id: 'spiffe://example.org/legacy/till-1', auth: 'legacy_key', address: '10.7.0.9:0' },
    policies: ['tills'],
    details: { edge: edge.id, edgeAddress: expect.stringMatching(/^127\.0\.0\.1:/) },
  })
  // Through whom it came, a search finds too.
  const by = ['--spiffe-id', edge.id, '--kind', 'token.issued', '-o', 'json']
  const found = await runHere(['audit', 'search', server.config.auditFile, ...by])
  expect(JSON.parse(found.stdout.split('\n')[0] ?? '')).toMatchObject({
    actor: { id: 'spiffe://example.org/legacy/till-1' },
  })
  const trail = readFileSync(server.config.auditFile, 'utf8')
  expect(trail).not.toContain(said.key)
  expect(trail).not.toContain(said.key.slice(4))
})

test('a caller whose entry is disabled gets nothing for its key until it is enabled, and the list and the record say so', async () => {
  const { said } = await add('till-disabled')
  const registry = server.admin('countersign.registry.v1.Registry')
  const listed = async () =>
    (await legacy('list')).said.find(({ name }: { name: string }) => name === 'till-disabled')
  expect(await listed()).toMatchObject({ disabledAt: null })
  await registry.unary('BatchDisable', { ids: [said.entryId], reason: 'till stolen' })
  expect(await change(said.key)).toMatchObject({ status: 401, error: 'invalid_client' })
  expect(lastRecord('token.denied')).toMatchObject({
    ...{ reason: 'entry-disabled', entryId: said.entryId, owner: 'shops' },
  })
  expect(await listed()).toMatchObject({ disabledAt: expect.stringMatching(/^20.*Z$/) })
  await registry.unary('BatchEnable', { ids: [said.entryId] })
  // In the second of the disabling nothing is issued that would be dead at once.
  await expect.poll(async () => (await change(said.key)).status).toBe(200)
})

test('all others are refused: no edge, no such key, another network, beyond what was registered, or no policy', async () => {
  const { said } = await add('till-2')
  const { said: mute } = await add('mute')
  const { said: wide } = await add('till-20', '--network', '10.0.0.0/8')
  const { said: binding } = await add('till-21', '--resource', bound)
  for (const [changing, status, reason] of [
    [() => change(said.key, {}, other), 401, 'legacy-edge'],
    [() => change(`${said.key}x`), 401, 'legacy-key'],
    [() => change(said.key.toUpperCase()), 401, 'legacy-key'],
    [() => change(''), 401, 'legacy-key-missing'],
    [() => change(said.key, { client_address: '10.8.0.9' }), 401, 'legacy-network'],
    [() => change(said.key, { client_address: '' }), 400, 'request-client-address'],
    [() => change(said.key, { client_address: '10.7.0.9:80' }), 400, 'request-client-address'],
    // An address that a policy would not know again.
    [() => change(said.key, { client_address: '::ffff:a07:9' }), 400, 'request-client-address'],
    [() => change(said.key, { client_address: '2001:db8::1%lo' }), 400, 'request-client-address'],
    [() => change(wide.key, { client_address: '10.8.0.9' }), 400, 'policy-none'],
    [() => change(said.key, { scope: 'orders:write' }), 400, 'scope-ceiling'],
    [() => change(said.key, { scope: 'orders:read orders:write' }), 400, 'scope-ceiling'],
    // One that the policy permits, and the key does not.
    [() => change(said.key, { resource: stock }), 400, 'target-ceiling'],
    [() => change(said.key, { resource: bound }), 400, 'target-needs-certificate'],
    [() => change(binding.key), 400, 'target-needs-certificate'],
    [() => change(said.key, { resource: 'https://x.example' }), 400, 'target-unknown'],
    [() => change(mute.key), 400, 'policy-none'],
  ] as const) {
    const answer = await changing()
    expect([answer.status, lastRecord('token.denied').reason]).toEqual([status, reason])
    expect(answer).not.toHaveProperty('access_token')
    if (reason !== 'legacy-network' && reason !== 'scope-ceiling') continue
    // Of a key that somebody has the record tells whose it is.
    expect(lastRecord('token.denied')).toMatchObject({
      ...{ actor: { id: edge.id }, spiffeId: 'spiffe://example.org/legacy/till-2' },
      ...{ entryId: said.entryId, owner: 'shops', purpose: 'old tills' },
      details: { clientAddress: reason === 'legacy-network' ? '10.8.0.9' : '10.7.0.9' },
    })
  }
  // What somebody writes into his key, where a proxy makes a form of it, is there twice.
  const body = `client_id=${edge.id}&key=${said.key}&client_address=10.7.0.9&client_address=10.8.0.9`
  const twice = { method: 'POST', headers: formHeaders, body, identity: edge }
  expect((await ask(port, certificate, '/oauth/legacy', twice)).status).toBe(400)
  // What is there once asks for no more than the key may have.
  for (const [more, reason] of [
    ['scope=orders:write', 'scope-ceiling'],
    [`resource=${stock}`, 'target-ceiling'],
    [`audience=${stock}&subject_token=a&grant_type=b`, undefined],
    ['client_secret=a', 'request-two-mechanisms'],
  ] as const) {
    const said1 = `client_id=${edge.id}&key=${said.key}&${more}&client_address=10.7.0.9`
    const answer = await ask(port, certificate, '/oauth/legacy', { ...twice, body: said1 })
    if (reason === undefined) expect(JSON.parse(answer.body).scope).toBe('orders:read')
    else expect([answer.status, lastRecord('token.denied').reason]).toEqual([400, reason])
  }
  // It is no proof at the other doors.
  const values = { grant_type: 'client_credentials', key: said.key, resource: orders, scope: 'a' }
  const token = { method: 'POST', headers: formHeaders, body: form(values) }
  expect((await ask(port, certificate, '/oauth/token', token)).status).toBe(401)
})

test('an address of IPv4 in the clothes of IPv6 is that of IPv4, and a token lives no longer than its resource lets it', async () => {
  const { said } = await add('till-22', '--resource', brief)
  const answer = await change(said.key, { client_address: '::ffff:10.7.0.9' })
  expect(answer).toMatchObject({ status: 200, expires_in: 20 })
  expect(lastRecord('token.issued').actor.address).toBe('10.7.0.9:0')
  expect((await change(said.key, { client_address: '::ffff:10.8.0.9' })).status).toBe(401)
})

test('whose ID is revoked has no key any more, and nothing was signed for him', async () => {
  const { said } = await add('till-23')
  expect((await change(said.key)).status).toBe(200)
  const why = ['--reason', 'stolen', '--admin-socket', server.config.adminSocket]
  const revoked = await runHere(['revoke', 'spiffe-id', said.spiffeId, ...why])
  expect(revoked.code).toBe(0)
  const issued = lastRecord('token.issued')
  expect((await change(said.key)).status).toBe(401)
  expect(lastRecord('token.denied')).toMatchObject({
    ...{ reason: 'legacy-key-revoked', entryId: said.entryId, owner: 'shops' },
  })
  expect(lastRecord('token.issued')).toEqual(issued)
})

test('of a caller that was removed nothing is left: with the same key the next one has not been used yet', async () => {
  const { said } = await add('till-26')
  const lastUsedAt = async (): Promise<unknown> => {
    const { said: listed } = await legacy('list')
    return listed.find(({ name }: { name: string }) => name === 'till-26').lastUsedAt
  }
  expect((await change(said.key)).status).toBe(200)
  await expect.poll(lastUsedAt).toMatch(/^20.*Z$/)
  expect((await legacy('remove', 'till-26')).code).toBe(0)
  const file = join(folder, 'again')
  writeFileSync(file, said.key, { mode: 0o600 })
  const { said: again } = await add('till-26', '--key-file', file)
  expect(again.entryId).toBe(said.entryId)
  expect(await lastUsedAt()).toBeNull()
})

describe('a key that was revoked opens nothing any more', () => {
  const reason = 'stolen'
  const registry = () => server.admin('countersign.registry.v1.Registry')
  const refusal = async (key: string) => {
    const { status } = await change(key)
    return [status, lastRecord('token.denied').reason]
  }

  async function revoked(kind: 'entry' | 'spiffe-id' | 'owner', name: string) {
    const { said } = await add(name, '--owner', name)
    const id = { entry: said.entryId, 'spiffe-id': said.spiffeId, owner: name }[kind]
    await server.admin('countersign.revocation.v1.Revocation').unary('Revoke', { kind, id, reason })
    return said
  }

  test.for(['entry', 'spiffe-id', 'owner'] as const)(
    'by its %s: not when it is enabled again, prolonged, renamed or given to somebody else',
    async (kind) => {
      const said = await revoked(kind, `of-${kind}`)
      await registry().unary('BatchDisable', { ids: [said.entryId], reason })
      expect(await refusal(said.key)).toEqual([401, 'entry-disabled'])
      const { results } = await registry().unary('BatchEnable', { ids: [said.entryId] })
      expect(results[0]?.warnings).toEqual([expect.stringContaining('was revoked, and stays so')])
      await registry().unary('BatchUpdate', {
        entries: [
          {
            entry: {
              id: said.entryId,
              spiffe_id: { trust_domain: 'example.org', path: `/legacy/was-${kind}` },
              expires_at: Math.floor(Date.now() / 1000) + 60 * 86_400,
            },
            owner: 'somebody else',
          },
        ],
        input_mask: { entry: { spiffe_id: true, expires_at: true }, owner: true },
      })
      expect(await refusal(said.key)).toEqual([401, 'legacy-key-revoked'])
      const { said: listed } = await legacy('list')
      expect(listed.find(({ name }: { name: string }) => name === `was-${kind}`)).toMatchObject({
        ...{ owner: 'somebody else', revokedAt: expect.stringMatching(/^20.*Z$/) },
      })
    },
  )

  test('not when it was revoked while its entry was disabled', async () => {
    const { said } = await add('till-24', '--owner', 'till-24')
    await registry().unary('BatchDisable', { ids: [said.entryId], reason })
    const why = ['--reason', reason, '--admin-socket', server.config.adminSocket]
    expect(await runHere(['revoke', 'entry', said.entryId, ...why])).toMatchObject({ code: 0 })
    await registry().unary('BatchEnable', { ids: [said.entryId] })
    expect(await refusal(said.key)).toEqual([401, 'legacy-key-revoked'])
  })

  test('not in the hands of the next caller to whom it is given', async () => {
    const file = join(folder, 'revoked')
    for (const end of ['entry', 'offboard'] as const) {
      const { said } = await add(`till-of-${end}`, '--owner', `till-of-${end}`)
      const revocation = server.admin('countersign.revocation.v1.Revocation')
      if (end === 'entry') {
        await revocation.unary('Revoke', { kind: 'entry', id: said.entryId, reason })
        expect((await legacy('remove', `till-of-${end}`)).code).toBe(0)
      } else {
        await revocation.unary('OffboardOwner', { owner: `till-of-${end}`, reason })
      }
      writeFileSync(file, said.key, { mode: 0o600 })
      const { code, stderr } = await add(`till-of-${end}`, '--key-file', file)
      expect([code, stderr]).toEqual([1, expect.stringContaining('error[legacy-key-revoked]')])
    }
    // With another key the caller is as good as ever.
    const { said } = await add('till-of-entry')
    await expect.poll(async () => (await change(said.key)).status).toBe(200)
  })

  test('not once the fact about it has ended', async () => {
    const said = await revoked('owner', 'till-25')
    const database = new SqliteDatabase(join(server.config.dataDir, 'store.sqlite'))
    database.exec('delete from revocation_facts')
    database.close()
    server = await server.restart()
    expect(await refusal(said.key)).toEqual([401, 'legacy-key-revoked'])
  })
})

const nginx = ['/usr/sbin/nginx', '/usr/bin/nginx'].find(existsSync)

test('nginx lets nobody in without a key, and passes on the token in place of the key', async (context) => {
  if (nginx === undefined) return context.skip('this machine has no nginx')
  const { said } = await add('till-0', '--network', '127.0.0.0/8')
  const seen: IncomingHttpHeaders[] = []
  const orders = createServer((request, response) => {
    seen.push(request.headers)
    response.end('orders')
  }).listen(0, '127.0.0.1')
  await once(orders, 'listening')
  const front = await freePort()
  const pem = (type: string, ders: readonly Uint8Array[]) =>
    ders.map((der) => toPem(type, der)).join('')
  writeFileSync(join(folder, 'svid.pem'), pem('CERTIFICATE', edge.chain))
  writeFileSync(join(folder, 'svid.key'), pem('PRIVATE KEY', [edge.privateKey]), { mode: 0o600 })
  const headers = new URL('../../deploy/nginx/identity-headers.conf', import.meta.url)
  copyFileSync(headers, join(folder, 'identity-headers.conf'))
  const page = readFileSync(new URL('../../docs/legacy.md', import.meta.url), 'utf8')
  const [, site = ''] = /```nginx\n([^`]*)```/.exec(page) ?? []
  const conf = site
    .replaceAll('/var/lib/edge/', `${folder}/`)
    .replaceAll('web-ca.pem', certificate.ca)
    .replace('listen 443 ssl;', `listen 127.0.0.1:${front};`)
    .replaceAll(/^ *ssl_.*\n/gm, '')
    .replaceAll('as.example.org:8443', `127.0.0.1:${port}`)
    .replaceAll('127.0.0.1:9000', `127.0.0.1:${(orders.address() as AddressInfo).port}`)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join(' ')
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; pid ${folder}/pid; events {} http { access_log off; ${temporary} ${conf} }`,
  )
  const child = spawn(nginx, ['-c', join(folder, 'nginx.conf'), '-e', 'stderr'], { stdio: 'pipe' })
  let complaints = ''
  child.stderr.on('data', (chunk) => {
    complaints += String(chunk)
  })
  const get = (headers: Record<string, string>) =>
    fetch(`http://127.0.0.1:${front}/`, { headers }).then((answer) => answer.status)
  try {
    await expect.poll(() => get({}).catch(() => complaints)).toBe(401)
    expect(await get({ 'x-api-key': `${said.key}&client_address=10.7.0.9` })).not.toBe(200)
    expect(await get({ 'x-api-key': 'wrong' })).toBe(401)
    expect(await get({ authorization: 'Bearer forged' })).toBe(401)
    expect(seen).toEqual([])
    const forged = { authorization: 'Bearer forged', 'x-remote-user': 'forged' }
    expect(await get({ 'x-api-key': said.key, ...forged })).toBe(200)
    expect(seen[0]).not.toHaveProperty('x-api-key')
    expect(JSON.stringify(seen[0])).not.toContain('forged')
    const [, token = ''] = seen[0]?.authorization?.split(' ') ?? []
    expect(decodeJwt(token).sub).toBe('spiffe://example.org/legacy/till-0')
  } finally {
    child.kill()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'close')
    orders.close()
  }
})

test('a key that is there already is read from a file that is nobody else’s, and is one caller’s', async () => {
  const file = join(folder, 'key')
  writeFileSync(file, 'a key that the tills have\n', { mode: 0o644 })
  expect((await add('till-3', '--key-file', file)).stderr).toContain('error[legacy-key-mode]')
  rmSync(file)
  writeFileSync(file, 'a key that the tills have\n', { mode: 0o600 })
  const { said } = await add('till-3', '--key-file', file)
  expect(said).not.toHaveProperty('key')
  expect((await change('a key that the tills have')).status).toBe(200)
  chmodSync(file, 0o640)
  expect((await add('till-4', '--key-file', file)).stderr).toContain('error[legacy-key-mode]')
  chmodSync(file, 0o600)
  // A name is one caller's too, whatever his key and wherever he comes from.
  const elsewhere = await add('till-3', '--network', '10.9.0.0/16')
  expect(elsewhere.stderr).toContain('error[legacy-key-taken]')
  for (const name of ['till-4', 'till-3']) {
    const { code, stderr } = await add(name, '--key-file', file)
    expect([code, stderr.includes('error[legacy-key-taken]')]).toEqual([1, true])
  }
})

test('a key that is short is not taken, and neither is a caller who may have nothing', async () => {
  const file = join(folder, 'short')
  writeFileSync(file, 'only-15-letters', { mode: 0o600 })
  expect((await add('till-5', '--key-file', file)).stderr).toContain('error[legacy-key-length]')
  const caller = {
    ...{ name: 'till-5', owner: 'shops', purpose: 'old tills', networks: ['10.7.0.0/16'] },
    ...{ resource: orders, scopes: [], expires_at_ms: Date.now() + 60_000 },
  }
  const added = server.admin('countersign.legacy.v1.Legacy').unary('Add', { key: '', caller })
  await expect(added).rejects.toMatchObject({ reason: 'scope-unknown' })
})

test.for([
  [['--expires', '91d'], 'legacy-expiry'],
  [['--network', '0.0.0.0/0'], 'legacy-network'],
  [['--scope', 'none'], 'scope-unknown'],
  [['--resource', 'https://x.example'], 'target-unknown'],
] as const)('a caller cannot be added with %j', async ([more, reason]) => {
  expect((await add('till-5', ...more)).stderr).toContain(`error[${reason}]`)
})

test('who is removed is out at once, with the tokens that he has', async () => {
  const { said } = await add('till-6')
  const { access_token } = await change(said.key)
  const introspected = async () => {
    const values = { client_id: other.id, token: access_token }
    const options = { method: 'POST', headers: formHeaders, body: form(values), identity: other }
    return JSON.parse((await ask(port, certificate, '/oauth/introspect', options)).body)
  }
  expect(await introspected()).toMatchObject({ active: true })
  expect((await legacy('remove', 'till-6')).said).toMatchObject({ name: 'till-6' })
  expect(await introspected()).toEqual({ active: false })
  expect((await change(said.key)).status).toBe(401)
  expect(lastRecord('token.denied').reason).toBe('legacy-key')
  expect(lastRecord('entry.deleted').entryId).toBe(said.entryId)
  expect((await legacy('remove', 'till-6')).stderr).toContain('error[legacy-unknown]')
})

test('who is removed has no other key by the same name, as of one that was renamed to it', async () => {
  const { said: one } = await add('till-40')
  const { said: other } = await add('till-41', '--network', '10.7.0.9/32')
  await server.admin('countersign.registry.v1.Registry').unary('BatchUpdate', {
    entries: [
      {
        entry: {
          id: other.entryId,
          spiffe_id: { trust_domain: 'example.org', path: '/legacy/till-40' },
        },
      },
    ],
    input_mask: { entry: { spiffe_id: true } },
  })
  expect((await legacy('remove', 'till-40')).said).toMatchObject({ name: 'till-40' })
  expect([(await change(one.key)).status, (await change(other.key)).status]).toEqual([401, 401])
  expect((await legacy('remove', 'till-40')).stderr).toContain('error[legacy-unknown]')
})

test('a legacy caller ends by itself at its end date, and no token of it lives on', async () => {
  // Entries end on the second.
  const endsAt = Math.floor(Date.now() / 1000) * 1000 + 4000
  const { said } = await add('till-12', '--expires', '4s')
  const first = await change(said.key)
  // On a slow machine it may have ended before.
  if (first.status === 200) expect(first.expires_in).toBeLessThanOrEqual(4)
  await expect.poll(async () => (await change(said.key)).status).toBe(401)
  expect(Date.now()).toBeGreaterThanOrEqual(endsAt)
})

test('who tries keys is slowed down by his address, and a right one helps him no more; nobody else is', async () => {
  const { said } = await add('till-10')
  // A try is given back each second: over connections that are there already a slow machine makes more than that.
  const agent = new Agent({ keepAlive: true, maxSockets: 8 })
  onTestFinished(() => agent.destroy())
  const from = (address: string) => async (key: string) =>
    (await change(key, { client_address: address }, edge, agent)).status
  const guesser = from('10.7.99.99')
  const guesses = (count: number) =>
    Promise.all(Array.from({ length: count }, () => guesser(`${said.key}x`)))
  expect(await guesses(30)).toEqual(Array(30).fill(401))
  await eventually(async () => (await guesses(8)).includes(503))
  // But for a try that is given back at just that moment.
  await eventually(async () => {
    await guesses(8)
    return (await guesser(said.key)) === 503
  })
  const other = from('10.7.0.9')
  for (let n = 0; n < 40; n += 1) expect(await other(said.key)).toBe(200)
})

test('the list says who has not used his key', async () => {
  const { said: used } = await add('till-8')
  await add('till-9')
  expect((await change(used.key)).status).toBe(200)
  const names = async (...more: readonly string[]) =>
    (await legacy('list', ...more)).said.map(({ name }: { name: string }) => name)
  expect(await names()).toEqual(expect.arrayContaining(['till-8', 'till-9']))
  const lastUses = async () =>
    new Map(
      (await legacy('list')).said.map((one: { name: string; lastUsedAt: string | null }) => [
        one.name,
        one.lastUsedAt,
      ]),
    )
  await expect.poll(async () => (await lastUses()).get('till-8'), { interval: 100 }).not.toBeNull()
  expect((await lastUses()).get('till-9')).toBeNull()
  await expect.poll(() => names('--unused', '1s')).toContain('till-9')
  // It is not as old as that.
  expect(await names('--unused', '1h')).not.toContain('till-9')
})

test('a key file that cannot be read is told of with what to do, and no caller is added', async () => {
  for (const path of [folder, join(folder, 'no-such-file')]) {
    const { code, stderr } = await add('till-no-file', '--key-file', path)
    expect({ code, stderr }).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^error.legacy-key-file.: cannot read .*\n {2}fix: let --key-file/,
      ),
    })
  }
})
