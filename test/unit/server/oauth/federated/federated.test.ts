import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFederated } from '../../../../../server/oauth/federated/federated.ts'
import { issuable } from '../../../../../server/oauth/federated/rules.ts'
import { federatedSchema, readFederated } from '../../../../../server/oauth/federated/settings.ts'
import { silentLog } from '../../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'
import { type OidcIssuer, startOidcIssuer } from '../../../../support/oidc-issuer.ts'
import { reasonOf } from '../../../../support/reason-of.ts'
import { trustDomain } from '../../../../support/running-server.ts'

const audience = 'https://as.example.org'
let issuer: OidcIssuer

beforeAll(async () => {
  issuer = await startOidcIssuer()
})
afterAll(() => issuer?.[Symbol.asyncDispose]())

/** Rules by which these subjects are `/ci`. */
function rulesFor(...subjects: readonly string[]) {
  return subjects.length === 0 ? new Map<string, never>() : listed(subjects)
}

function listed(subjects: readonly string[], changed: object = {}, issue?: readonly string[]) {
  const said = {
    ...{ issuer: issuer.url, kind: 'oidc', audience, web_ca: issuer.ca },
    allowed_networks: ['127.0.0.1', '::1'],
    rules: subjects.map((sub) => ({ match: { sub }, as: 'spiffe://example.org/ci', issue })),
    ...changed,
  }
  return readFederated(federatedSchema.parse([said]), { issuer: audience, trustDomain })
}

function tokenAt(clock: FakeClock): Promise<string> {
  const seconds = Math.floor(clock.now().getTime() / 1000)
  const claims = { iss: issuer.url, aud: audience, iat: seconds, exp: seconds + 60, jti: 'j' }
  return issuer.sign({ ...claims, sub: 'a job' })
}

/** A token whose issuer takes its time to say its keys, while other rules come into force. */
async function meanwhile(...subjects: readonly string[]) {
  const clock = new FakeClock(new Date())
  const federated = createFederated({ clock, log: silentLog })
  federated.use(rulesFor('a job'))
  const shown = federated.authenticate(await tokenAt(clock))
  federated.use(rulesFor(...subjects))
  return shown
}

test('a token is judged by the rules that are in force once it is verified, however long its issuer takes', async () => {
  expect(await reasonOf(meanwhile())).toBe('subject-issuer')
  expect(await reasonOf(meanwhile('another job'))).toBe('subject-rule')
  expect((await meanwhile('another job', 'a job')).rule.match.get('sub')).toBe('a job')
})

test('what is known of the keys of an issuer stays while it is at the same place, and is forgotten with that', async () => {
  const clock = new FakeClock(new Date())
  const federated = createFederated({ clock, log: silentLog })
  const token = await tokenAt(clock)
  const read = () => reasonOf(federated.authenticate(token))
  federated.use(listed(['a job']))
  expect(await read()).toBe('accepted')
  const asked = issuer.asked.length
  federated.use(listed(['another job', 'a job'], { max_age: '5m' }))
  expect([await read(), issuer.asked.length]).toEqual(['accepted', asked])
  // Whoever has lost its keys has new ones elsewhere, at once.
  const keys = join(await mkdtemp(join(tmpdir(), 'cs-keys-')), 'keys.json')
  await writeFile(keys, '{"keys":[]}')
  federated.use(listed(['a job'], { jwks_file: keys }))
  expect(await read()).toBe('subject-key')
  federated.use(listed(['a job']))
  expect(await read()).toBe('accepted')
  federated.use(listed(['a job'], { allowed_networks: [] }))
  expect(await read()).toBe('jwks-unavailable')
})

test('a rule gives what it says, while it is in force', () => {
  const federated = createFederated({ clock: new FakeClock(), log: silentLog })
  const rules = listed(['a job'])
  const id = rules.get(issuer.url)?.rules[0]?.id ?? expect.fail()
  const given = () => issuable.filter((what) => federated.gives(id, what))
  expect(given()).toEqual([])
  federated.use(rules)
  expect(given()).toEqual(['access_token'])
  const svids = listed(['a job'], {}, ['jwt_svid', 'x509_svid'])
  expect(svids.get(issuer.url)?.rules[0]?.id).toBe(id)
  federated.use(svids)
  expect(given()).toEqual(['jwt_svid', 'x509_svid'])
})
