import { afterAll, beforeAll, expect, test } from 'vitest'
import { createFederated } from '../../../../../server/oauth/federated/federated.ts'
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
  const said = {
    ...{ issuer: issuer.url, kind: 'oidc', audience, web_ca: issuer.ca },
    allowed_networks: ['127.0.0.1', '::1'],
    rules: subjects.map((sub) => ({ match: { sub }, as: 'spiffe://example.org/ci' })),
  }
  const listed = subjects.length === 0 ? [] : [said]
  return readFederated(federatedSchema.parse(listed), { issuer: audience, trustDomain })
}

/** A token whose issuer takes its time to say its keys, while other rules come into force. */
async function meanwhile(...subjects: readonly string[]) {
  const clock = new FakeClock(new Date())
  const federated = createFederated({ clock, log: silentLog })
  federated.use(rulesFor('a job'))
  const seconds = Math.floor(clock.now().getTime() / 1000)
  const claims = { iss: issuer.url, aud: audience, iat: seconds, exp: seconds + 60, jti: 'j' }
  const token = await issuer.sign({ ...claims, sub: 'a job' })
  const shown = federated.authenticate(token)
  federated.use(rulesFor(...subjects))
  return shown
}

test('a token is judged by the rules that are in force once it is verified, however long its issuer takes', async () => {
  expect(await reasonOf(meanwhile())).toBe('subject-issuer')
  expect(await reasonOf(meanwhile('another job'))).toBe('subject-rule')
  expect((await meanwhile('another job', 'a job')).rule.match.get('sub')).toBe('a job')
})
