import { readFileSync } from 'node:fs'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readForeignClients } from '../../server/oauth/foreign-clients.ts'
import type { EventStream } from '../../server/oauth/ssf/settings.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { type Ended, runHere } from '../support/command.ts'
import { ask, orders, resourceOf } from '../support/oauth.ts'
import { someAgent, startServer, trustDomain, wireEntry } from '../support/running-server.ts'
import { postAs, startTokenServer, type TokenServer } from '../support/token-server.ts'
import type { WebCertificate } from '../support/web-certificate.ts'

let certificate: WebCertificate
let server: TokenServer
let port: number

beforeAll(async () => {
  server = await startIssuer()
  certificate = server.certificate
  port = server.port
  await register('/orders', 'orders-team')
})

const siem: EventStream = {
  ...{ id: 'siem', audience: 'https://siem.example.com', receivers: new Set() },
  ...{ events: new Set(['session-revoked']), subjects: undefined, push: undefined },
}

const partner = SpiffeId.parse('spiffe://partner.example/billing')
const foreignClients = readForeignClients([{ spiffe_id: partner, owner: 'abroad' }], trustDomain)

function startIssuer(policy?: string): Promise<TokenServer> {
  const servedBy = new Set([SpiffeId.of(trustDomain, '/orders')])
  const resources = new Map([[orders, resourceOf(orders, { servedBy })]])
  return startTokenServer({
    ...(policy !== undefined && { policy }),
    oauth: { resources, streams: new Map([[siem.id, siem]]), foreignClients },
  })
}

afterAll(async () => {
  await server?.remove()
})

function typed(...words: readonly string[]): Promise<Ended> {
  return runHere([...words, '--admin-socket', server.config.adminSocket])
}

async function json<T>(...words: readonly string[]): Promise<T> {
  const { code, stdout, stderr } = await typed(...words, '-o', 'json')
  expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: '' })
  return JSON.parse(stdout) as T
}

async function register(path: string, owner: string, parent = someAgent): Promise<string> {
  const { results } = await server.admin('countersign.registry.v1.Registry').unary('BatchCreate', {
    entries: [{ entry: wireEntry({ path, parent }), owner, purpose: 'test' }],
  })
  return results[0]?.entry?.entry?.id ?? ''
}

const post = (path: string, values: Record<string, string>, caller = '/web') =>
  postAs(server, caller, path, values)

async function deleteWebs(): Promise<void> {
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  const { entries: all } = await entries.unary('ListEntries', {})
  const webs = all.filter(({ spiffe_id }) => spiffe_id?.path === '/web')
  await entries.unary('BatchDeleteEntry', { ids: webs.map(({ id }) => id) })
}

/** Not in the second of a revocation, in which an SVID is from before it, and no token would live. */
async function newToken(): Promise<string> {
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  let token = ''
  await eventually(async () => {
    const { status, body, headers } = await post('/oauth/token', wish)
    if (status === 503) expect(headers['retry-after']).toBe('1')
    token = (JSON.parse(body) as { access_token?: string }).access_token ?? ''
    return status === 200
  })
  return token
}

/** Asked by whoever serves the resource. An SVID of the second of a revocation is from before it, too. */
async function isActive(token: string): Promise<boolean> {
  let active = false
  await eventually(async () => {
    const { status, body } = await post('/oauth/introspect', { token }, '/orders')
    if (status === 200) active = (JSON.parse(body) as { active: boolean }).active
    else expect(status).toBe(401)
    return status === 200
  })
  return active
}

test('revoke: ends the token that it names, says so, and is on record', async () => {
  const entryId = await register('/web', 'web-team')
  const kinds = {
    token: (token: string) => decodeJwt(token).jti,
    transaction: (token: string) => decodeJwt(token)['txn'],
    key: (token: string) => decodeProtectedHeader(token).kid,
    entry: () => entryId,
  }
  for (const [kind, idOf] of Object.entries(kinds)) {
    const token = await newToken()
    expect(await isActive(token)).toBe(true)
    const id = String(idOf(token))
    // The list has a token a moment after it was issued.
    const listed = ['grant', 'tokens', '--txn', String(decodeJwt(token)['txn'])]
    await eventually(async () => (await json<readonly unknown[]>(...listed)).length === 1)
    const answer = await json<{ notBefore: string | null }>(
      ...['revoke', kind, id, '--reason', `test of ${kind}`],
    )
    expect(answer).toMatchObject({ kind, id, known: true, number: expect.any(Number) })
    // What was ended before is not counted again; another was issued once its key was replaced.
    expect(answer).toMatchObject({ tokens: kind === 'entry' ? 2 : 1, moreTokens: false })
    expect(answer.notBefore === null).toBe(kind !== 'entry' && kind !== 'key')
    expect(await isActive(token)).toBe(false)
    if (kind !== 'key') continue
    // Another key signs, and the old one is published no more.
    expect(decodeProtectedHeader(await newToken()).kid).not.toBe(id)
    expect((await ask(port, certificate, '/oauth/jwks')).body).not.toContain(id)
  }
  const records = readFileSync(server.config.auditFile, 'utf8').split('\n')
  const written = records.filter((line) => line.includes('"revocation.written"'))
  expect(written.map((line) => (JSON.parse(line) as { reason: string }).reason)).toEqual(
    Object.keys(kinds).map((kind) => `test of ${kind}`),
  )
})

test('T26 revoke node: ends the tokens of all that the node had, whichever entry of their ID a token names', async () => {
  const agent = await server.joinAgent()
  await register('/web', 'web-team', agent.id)
  const token = await newToken()
  expect(await isActive(token)).toBe(true)
  await json('revoke', 'node', agent.id, '--reason', 'laptop lost')
  expect(await isActive(token)).toBe(false)
  const other = await newToken()
  await server.admin('spire.api.server.agent.v1.Agent').unary('BanAgent', {
    id: { trust_domain: trustDomain, path: SpiffeId.pathOf(agent.id) },
  })
  expect(await isActive(other)).toBe(false)
})

test.each(['/oauth/feed-keys', '/oauth/ssf/keys'])(
  'revoke key: another one signs what those of %s do',
  async (path) => {
    const kids = async (): Promise<readonly string[]> => {
      const { keys } = JSON.parse((await ask(port, certificate, path)).body) as {
        keys: readonly { kid: string }[]
      }
      return keys.map(({ kid }) => kid)
    }
    const [before = ''] = await kids()
    expect(await json('revoke', 'key', before, '--reason', 'x')).toMatchObject({ known: true })
    const after = await kids()
    expect(after).toHaveLength(1)
    expect(after).not.toContain(before)
  },
)

test.each(['entry', 'owner'])(
  'revoke %s: of an ID that another entry carries too, the tokens that name that one',
  async (kind) => {
    await deleteWebs()
    await register('/web', 'web-team')
    const { id } = await server.joinAgent()
    const second = await register('/web', 'second-team', id)
    const token = await newToken()
    expect(decodeJwt(token)).not.toMatchObject({ entry_id: second })
    expect(await isActive(token)).toBe(true)
    await json('revoke', kind, kind === 'entry' ? second : 'second-team', '--reason', 'stolen')
    expect(await isActive(token)).toBe(false)
  },
)

test('revoke key: where a policy forbids it the key stays as it is', async () => {
  const other = await startIssuer(`@id("keys-stay")
    forbid (principal is Operator, action == Action::"revoke", resource is Key);`)
  const keysOf = async () => (await ask(other.port, other.certificate, '/oauth/jwks')).body
  try {
    const before = await keysOf()
    const { keys } = JSON.parse(before) as { keys: { kid: string }[] }
    const words = ['revoke', 'key', keys[0]?.kid ?? '', '--reason', 'x']
    const { code, stderr } = await runHere([...words, '--admin-socket', other.config.adminSocket])
    expect([code, stderr]).toEqual([77, expect.stringContaining('policy')])
    expect(await keysOf()).toBe(before)
  } finally {
    await other.remove()
  }
})

test('revoke: what is not known is revoked with a note; what cannot be meant is refused with what to do', async () => {
  const unknown = await typed('revoke', 'owner', 'nobody', '--reason', 'x')
  expect(unknown).toMatchObject({ code: 0, stdout: 'revoked owner nobody: 0 tokens\n' })
  expect(unknown.stderr).toContain('knows no such owner')
  for (const kind of ['token', 'transaction', 'audience', 'integration']) {
    const over = await typed('revoke', kind, 'none', '--reason', 'x')
    expect(over).toMatchObject({ code: 0, stdout: `revoked ${kind} none: 0 tokens\n` })
    expect(over.stderr).toContain(`no such ${kind}`)
  }
  for (const kind of ['audience', 'integration']) {
    expect(await json('revoke', kind, orders, '--reason', 'x')).toMatchObject({ known: true })
  }
  const left = await typed('offboard', '--owner', 'nobody', '--reason', 'x')
  expect(left).toMatchObject({ code: 0, stdout: 'revoked owner nobody: 0 entries, 0 tokens\n' })
  expect(left.stderr).toMatch(/nothing here is of this owner.*"countersign entry list"/)
  const { active } = await authority()
  const cases: readonly [readonly string[], number, string][] = [
    [['revoke', 'spiffe-id', 'web', '--reason', 'x'], 64, 'spiffe'],
    [['revoke', 'key', active, '--reason', 'x'], 1, 'countersign authority'],
    [['revoke', 'token', 'x', '--reason', ''], 1, 'reason'],
    [['revoke', 'token', 'x'], 64, '--reason'],
    [['revoke', 'planet', 'x', '--reason', 'x'], 64, 'fix: see "countersign revoke --help"'],
    [['offboard', '--owner', '', '--reason', 'x'], 1, 'owner'],
  ]
  for (const [words, code, said] of cases) {
    const ended = await typed(...words)
    expect([words, ended.code]).toEqual([words, code])
    expect(ended.stderr).toContain(said)
  }
})

test('legacy add says that the key opens nothing where the server names no edge', async () => {
  const added = await typed(
    ...['legacy', 'add', 'till-7', '--owner', 'shops', '--purpose', 'old tills', '--expires', '1d'],
    ...['--network', '10.7.0.0/16', '--resource', orders, '--scope', 'orders:read'],
  )
  expect(added).toMatchObject({ code: 0 })
  expect(added.stderr).toContain('opens nothing yet: oauth.legacy_edges is empty')
  await typed('legacy', 'remove', 'till-7')
})

test('the socket of a server is no agent’s: it says so, and what to do', async () => {
  const socket = server.config.adminSocket
  const { code, stderr } = await runHere(['fetch', 'x509', '--socket', `unix://${socket}`])
  expect(code).toBe(1)
  expect(stderr).toContain(`what listens at ${socket} is no agent that has this call\n  fix: `)
})

async function authority(): Promise<{ active: string }> {
  const { active } = await server
    .admin('spire.api.server.localauthority.v1.LocalAuthority')
    .unary('GetX509AuthorityState', {})
  return { active: active?.authority_id ?? '' }
}

test('offboard: the owner’s entries and tokens are gone at once, and it prints what it cut', async () => {
  const entries = server.admin('spire.api.server.entry.v1.Entry')
  await deleteWebs()
  const [gone, stays] = [
    await register('/web', 'team-x'),
    wireEntry({ path: '/other', parent: someAgent }),
  ]
  await entries.unary('BatchCreateEntry', { entries: [stays] })
  const token = await newToken()
  expect(await isActive(token)).toBe(true)
  const { code, stdout } = await typed('offboard', '--owner', 'team-x', '--reason', 'left')
  expect(code).toBe(0)
  expect(stdout.split('\n')[0]).toBe(`deleted ${gone} spiffe://example.org/web`)
  expect(stdout).toMatch(/revoked owner team-x: 1 entry, \d+ tokens?\n$/)
  const { entries: after } = await entries.unary('ListEntries', {})
  expect(after.map(({ spiffe_id }) => spiffe_id?.path).sort()).toEqual(['/orders', '/other'])
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  expect((await post('/oauth/token', wish)).status).toBe(401)
  // A note that there was nothing comes with it, unless the list of tokens has his by now.
  const again = await typed('offboard', '--owner', 'team-x', '--reason', 'left', '-o', 'json')
  expect([again.code, JSON.parse(again.stdout)]).toMatchObject([0, { deleted: 0 }])
})

test('offboard: a workload of another trust domain is revoked with its owner, and named since it stays listed', async () => {
  const { code, stdout, stderr } = await typed('offboard', '--owner', 'abroad', '--reason', 'left')
  expect([code, stdout]).toEqual([0, 'revoked owner abroad: 0 entries, 0 tokens\n'])
  expect(stderr).toContain(`note: ${partner} stays listed in oauth.foreign_clients: take it out`)
  expect(stderr).not.toContain('nothing here')
  const again = await typed('offboard', '--owner', 'abroad', '--reason', 'left', '-o', 'json')
  expect(JSON.parse(again.stdout)).toMatchObject({ deleted: 0, foreignClients: [partner] })
  for (const target of [
    ['owner', 'abroad'],
    ['spiffe-id', partner],
  ]) {
    const revoked = await typed('revoke', ...target, '--reason', 'left', '-o', 'json')
    expect(JSON.parse(revoked.stdout)).toMatchObject({ known: true })
  }
})

test('policy explain answers for a workload of another trust domain by what is said of it', async () => {
  const wish = ['--resource', orders, '--scope', 'orders:read', '-o', 'json']
  const { stdout } = await typed('policy', 'explain', partner, ...wish)
  expect(JSON.parse(stdout)).toMatchObject({
    answers: [{ entryId: `foreign:${partner}`, owner: 'abroad' }],
  })
})

test('where no access tokens are issued there is nothing to revoke', async () => {
  const plain = await startServer()
  try {
    const { code, stderr } = await runHere([
      ...['revoke', 'owner', 'x', '--reason', 'x', '--admin-socket', plain.config.adminSocket],
    ])
    expect(code).toBe(1)
    expect(stderr).toContain('oauth')
  } finally {
    await plain.remove()
  }
})
