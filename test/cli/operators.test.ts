import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Ended, run, runHere } from '../support/command.ts'
import { type RunningServer, someAgent, startServer } from '../support/running-server.ts'
import { root } from '../support/x509-fixtures.ts'

const folder = mkdtempSync(join(tmpdir(), 'cs-operators-'))
let server: RunningServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  await server.remove()
  rmSync(folder, { recursive: true, force: true })
})

function typed(line: string): Promise<Ended> {
  return runHere([...line.split(' '), '--admin-socket', server.config.adminSocket])
}

async function json<T>(line: string): Promise<T> {
  const { code, stdout, stderr } = await typed(`${line} -o json`)
  expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: '' })
  return JSON.parse(stdout) as T
}

interface Authority {
  readonly state: string
  readonly id: string
}

test.each(['x509', 'jwt'])('authority %s: prepare, activate, taint, revoke', async (kind) => {
  const verb = `authority ${kind}`
  const [first] = await json<Authority[]>(`${verb} show`)
  expect(first?.state).toBe('active')
  const active = await typed(`${verb} taint --id ${first?.id}`)
  expect(active.code).toBe(1)
  expect(active.stderr).toContain('prepare and activate another one first')
  const prepared = await json<Authority>(`${verb} prepare`)
  expect(await json(`${verb} activate --id ${prepared.id}`)).toMatchObject({ state: 'active' })
  const table = await typed(`${verb} show`)
  expect(table.stdout).toMatch(/^STATE +ID +ENDS\nactive .*\nold .* in 2[34]h\n$/)
  const early = await typed(`${verb} revoke --id ${first?.id}`)
  expect(early.stderr).toContain('taint it first')
  expect(await json(`${verb} taint --id ${first?.id}`)).toMatchObject({ state: 'tainted' })
  expect(await json(`${verb} revoke --id ${first?.id}`)).toMatchObject({ state: 'revoked' })
  expect(await json<Authority[]>(`${verb} show`)).toHaveLength(1)
})

test('bundle: what one server prints another is given, as a document or as PEM, and deleted again', async () => {
  const { der } = await root('partner')
  const pem = join(folder, 'partner.pem')
  const lines = der
    .toString('base64')
    .match(/.{1,64}/g)
    ?.join('\n')
  writeFileSync(pem, `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`)
  expect(await json(`bundle set --trust-domain partner.test --file ${pem}`)).toEqual({
    set: 'partner.test',
  })
  const document = await typed('bundle show --format spiffe')
  const bundleSet = ['bundle', 'set', '--file', '-', '--trust-domain']
  const given = await run([...bundleSet, 'other.test'], {
    input: document.stdout,
    env: { COUNTERSIGN_ADMIN_SOCKET: server.config.adminSocket },
  })
  expect(given).toMatchObject({ code: 0, stdout: 'set other.test\n' })
  const list = await json<{ trustDomain: string; x509Authorities: number }[]>('bundle list')
  expect(list.map((one) => one.trustDomain)).toEqual(['other.test', 'partner.test'])
  const other = join(folder, 'other.json')
  writeFileSync(other, document.stdout)
  expect((await typed(`bundle set --trust-domain example.org --file ${other}`)).code).toBe(1)
  writeFileSync(other, 'nothing')
  const nothing = await typed(`bundle set --trust-domain a.test --file ${other}`)
  expect(nothing.stderr).toContain('holds no bundle')
  expect(await json('bundle delete --trust-domain other.test --mode dissociate')).toEqual({
    deleted: 'other.test',
  })
  expect((await typed('bundle delete --trust-domain other.test')).code).toBe(1)
})

test('federation: create, show, list, update, refresh, delete', async () => {
  const made = await json(
    'federation create --trust-domain fed.test --url https://127.0.0.1/b --profile https_spiffe --endpoint-spiffe-id spiffe://fed.test/server',
  )
  expect(made).toMatchObject({
    trustDomain: 'fed.test',
    bundleEndpointUrl: 'https://127.0.0.1/b',
    profile: 'https_spiffe',
    endpointSpiffeId: 'spiffe://fed.test/server',
    sequence: null,
    confirmedAt: null,
  })
  expect((await typed('federation create --trust-domain x.test')).code).toBe(64)
  expect(await json('federation update --trust-domain fed.test --profile https_web')).toMatchObject(
    {
      profile: 'https_web',
      bundleEndpointUrl: 'https://127.0.0.1/b',
    },
  )
  expect(await json('federation show --trust-domain fed.test')).toMatchObject({ sequence: null })
  expect((await typed('federation list')).stdout).toMatch(
    /^TRUST DOMAIN +PROFILE +URL +BUNDLE +CONFIRMED +STATE\nfed\.test +https_web +https:\/\/127\.0\.0\.1\/b +none +- +stale( \S+)?\n$/,
  )
  const refreshed = await typed('federation refresh --trust-domain fed.test')
  expect(refreshed.code).toBe(77)
  expect(refreshed.stderr).toContain('has no address that is public')
  expect(await json('federation show --trust-domain fed.test')).toMatchObject({
    ...{ confirmedAt: null, staleAt: null, isStale: true },
    failure: { reason: 'federation-address' },
  })
  expect(await json('federation delete --trust-domain fed.test')).toEqual({ deleted: 'fed.test' })
  expect((await typed('federation show --trust-domain fed.test')).code).toBe(1)
})

test('logger: get, set, reset', async () => {
  expect(await json('logger get')).toEqual({ level: 'info', atStart: 'info' })
  expect((await typed('logger set --level debug')).stdout).toBe('level     debug\nat start  info\n')
  expect((await typed('logger set --level loud')).code).toBe(64)
  expect(await json('logger reset')).toEqual({ level: 'info', atStart: 'info' })
})

test('import takes what spire-server prints and its -data files, and can be run again', async () => {
  const shown = {
    entries: [
      {
        id: '6f7b4d5e-1c2d-4e3f-8a9b-0c1d2e3f4a5b',
        spiffe_id: { trust_domain: 'example.org', path: '/from-spire' },
        parent_id: { trust_domain: 'example.org', path: '/spire/agent/x509pop/aa' },
        selectors: [{ type: 'unix', value: 'uid:1111' }],
        x509_svid_ttl: 600,
        federates_with: [],
        admin: false,
        downstream: false,
        expires_at: '0',
        dns_names: ['a.example.org'],
        revision_number: '3',
        store_svid: false,
        jwt_svid_ttl: 0,
        hint: '',
        created_at: '1678731397',
        additional_attributes: null,
      },
    ],
    next_page_token: '',
  }
  const data = {
    entries: [
      {
        selectors: [{ type: 'unix', value: 'uid:1112' }],
        spiffe_id: 'spiffe://example.org/from-data',
        parent_id: someAgent,
        x509_svid_ttl: 200,
        jwt_svid_ttl: 30,
        admin: true,
      },
      {
        selectors: [{ type: 'unix', value: 'uid:1112' }],
        spiffe_id: 'spiffe://other.test/foreign',
        parent_id: someAgent,
        ttl: 60,
      },
    ],
  }
  const [first, second] = [join(folder, 'shown.json'), join(folder, 'data.json')]
  writeFileSync(first, JSON.stringify(shown))
  writeFileSync(second, JSON.stringify(data))
  const imported = await typed(`import --from-spire ${first} --owner team-a -o json`)
  expect(JSON.parse(imported.stdout)).toEqual({ imported: 1, present: 0, refused: 0 })
  const again = await typed(`import --from-spire ${first}`)
  expect(again).toMatchObject({ code: 0, stdout: expect.stringMatching(/there already +1/) })
  const partly = await typed(`import --from-spire ${second} -o json`)
  expect(partly.code).toBe(1)
  expect(JSON.parse(partly.stdout)).toEqual({ imported: 1, present: 0, refused: 1 })
  expect(partly.stderr).toContain('entry 2:')
  const entries = await json<Record<string, unknown>[]>('entry list --owner team-a')
  expect(entries).toMatchObject([
    {
      id: shown.entries[0]?.id,
      spiffeId: 'spiffe://example.org/from-spire',
      x509SvidTtlSeconds: 600,
      dnsNames: ['a.example.org'],
    },
  ])
  writeFileSync(first, JSON.stringify({ entries: [{ ...data.entries[0], surprise: 1 }] }))
  const unknown = await typed(`import --from-spire ${first}`)
  expect(unknown.code).toBe(1)
  expect(unknown.stderr).toContain('surprise')
  writeFileSync(first, JSON.stringify({ entries: [{ ...data.entries[0], spiffe_id: 'web' }] }))
  const misspelt = await typed(`import --from-spire ${first}`)
  expect(misspelt.stderr).toContain('entries.0.spiffe_id: a SPIFFE ID starts with spiffe://')
})

test.each([
  ['--spiffe-id spiffe://other.org/a', 'write it as spiffe://example.org/<path>'],
  ['--spiffe-id spiffe://example.org/spire/a', 'choose another path'],
  ['--spiffe-id spiffe://example.org/a --federates-with no.test', 'countersign federation create'],
  ['--spiffe-id spiffe://example.org/a --selector unx:uid:1', 'selector_types'],
])('an entry that is refused says what to do next: %s', async (flags, fix) => {
  const selector = flags.includes('--selector') ? '' : ' --selector unix:uid:1'
  const line = `entry create --parent-id ${someAgent} ${flags}${selector}`
  const { code, stderr } = await typed(line)
  expect(code).toBe(1)
  expect(stderr).toMatch(new RegExp(`^error\\[[a-z-]+\\]: .+\n  fix: .*${fix}`))
})

test('what is not there is told with where to look, and a name that nobody may have with one that somebody may', async () => {
  for (const verb of ['show', 'delete', 'update --hint x']) {
    expect((await typed(`entry ${verb} --id none`)).stderr).toContain('countersign entry list')
  }
  const minted = await typed('svid mint jwt --audience a --spiffe-id spiffe://example.org/spire/x')
  expect(minted.stderr).toContain('fix: give one with a path that is not below /spire')
})
