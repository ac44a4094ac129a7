import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { type Revocations, requireAccessToken } from 'countersign/resource-server'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { RevocationState } from '../../../src/revocation/state.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { reasonOfAsync } from '../../support/x509-fixtures.ts'
import { type TestIssuer, testIssuer } from './access-fixtures.ts'

const audience = 'https://orders.example.org'
const clock = new FakeClock()
let issuer: TestIssuer

beforeAll(async () => {
  issuer = await testIssuer(clock)
})

const tokenOf = (claims: Record<string, unknown> = {}) =>
  issuer.token({ aud: audience, sub: 'spiffe://example.org/web', client_id: 'web', ...claims })

/** A feed that a test makes late. */
function feed(): Revocations & { readonly facts: RevocationState; late: boolean } {
  const facts = new RevocationState()
  return {
    facts,
    late: false,
    fresh() {
      return !this.late
    },
    judge: (claims, keyId) => facts.judge(claims, keyId),
  }
}

function revoke(facts: RevocationState, kind: 'token' | 'key', id: string): void {
  const seconds = clock.now().getTime() / 1000
  facts.apply({ kind, id, notBefore: kind === 'key' ? seconds : 0, endsAt: seconds + 600 })
}

describe('T26 a token that was revoked', () => {
  test('is refused on the next request, of whatever it was revoked by, though its signature was good before', async () => {
    const revocations = feed()
    const { verify } = issuer.verifier({ audience, revocations })
    const [one, other] = [await tokenOf({ jti: 'one' }), await tokenOf({ jti: 'other' })]
    await verify(one)
    await verify(other)
    revoke(revocations.facts, 'token', 'one')
    expect(await reasonOfAsync(() => verify(one))).toBe('token-revoked')
    await verify(other)
    revoke(revocations.facts, 'key', 'one')
    expect(await reasonOfAsync(() => verify(other))).toBe('token-revoked')
  })

  test('is refused by what is known while the feed is late, whoever says that it is good', async () => {
    const revocations = feed()
    const { verify } = issuer.verifier({ audience, revocations, introspect: async () => true })
    revocations.late = true
    revoke(revocations.facts, 'token', 'a')
    const shown = { whenUnknown: 'allow-until-expiry' } as const
    expect(await reasonOfAsync(async () => verify(await tokenOf(), shown))).toBe('token-revoked')
  })
})

describe('T26 while the feed is late', () => {
  const answers: readonly [string, () => Promise<boolean>][] = [
    ['says that it was good', async () => true],
    ['cannot say', () => Promise.reject(new Error('away'))],
  ]
  test.each(answers)(
    'what becomes known as the issuer is asked is heeded, though it %s',
    async (_, answer) => {
      const revocations = feed()
      const asked = Promise.withResolvers<void>()
      const answered = Promise.withResolvers<void>()
      const introspect = async () => {
        asked.resolve()
        await answered.promise
        return answer()
      }
      const { verify } = issuer.verifier({ audience, revocations, introspect })
      revocations.late = true
      const shown = { whenUnknown: 'allow-until-expiry' } as const
      const verified = reasonOfAsync(async () => verify(await tokenOf({ jti: 'meanwhile' }), shown))
      await asked.promise
      revoke(revocations.facts, 'token', 'meanwhile')
      revocations.late = false
      answered.resolve()
      expect(await verified).toBe('token-revoked')
    },
  )

  test('the issuer is asked about each token, once for all who show it meanwhile', async () => {
    const revocations = feed()
    const asked: string[] = []
    let active = true
    const introspect = async (token: string) => {
      asked.push(token)
      return active
    }
    const { verify } = issuer.verifier({ audience, revocations, introspect })
    const token = await tokenOf()
    await verify(token)
    expect(asked).toEqual([])
    revocations.late = true
    await verify(token)
    await Promise.all([verify(token), verify(token)])
    expect(asked).toEqual([token, token])
    active = false
    expect(await reasonOfAsync(() => verify(token))).toBe('token-revoked')
    revocations.late = false
    await verify(token)
    expect(asked.length).toBe(3)
  })

  test('of an answer that takes longer than the feed may be late nobody makes use who comes after that', async () => {
    const revocations = feed()
    revocations.late = true
    const slow = Promise.withResolvers<boolean>()
    const answers: Promise<boolean>[] = [Promise.resolve(true), slow.promise]
    const introspect = async () => answers.shift() ?? false
    const { verify } = issuer.verifier({ audience, revocations, introspect })
    const token = await tokenOf()
    await verify(token)
    const reasons: Promise<string>[] = []
    for (const ms of [699, 1, 0]) {
      reasons.push(reasonOfAsync(() => verify(token)))
      // Its signature is known: what it has to ask it asks at once.
      await setImmediate()
      await clock.advance(ms)
    }
    // It was revoked meanwhile: the issuer has said otherwise before, and that is on its way still.
    slow.resolve(true)
    expect(await Promise.all(reasons)).toEqual(['ok', 'ok', 'token-revoked'])
  })

  test('a token is denied where the issuer cannot be asked, but where the route says otherwise', async () => {
    const revocations = feed()
    revocations.late = true
    const down = () => Promise.reject(new Error('down'))
    for (const introspect of [undefined, down]) {
      const { verify } = issuer.verifier({
        ...{ audience, revocations, ...(introspect && { introspect }) },
      })
      const token = await tokenOf()
      await expect(verify(token)).rejects.toMatchObject({
        ...{ code: 'unavailable', reason: 'revocation-unknown' },
      })
      await verify(token, { whenUnknown: 'allow-until-expiry' })
    }
  })

  test('an issuer that cannot be asked is not asked again for a second: nobody waits for it meanwhile', async () => {
    const asked: string[] = []
    const introspect = async (token: string) => {
      asked.push(token)
      throw new Error('down')
    }
    const { verify } = issuer.verifier({ audience, introspect })
    const token = await tokenOf({ exp: clock.now().getTime() / 1000 + 60 })
    for (let n = 0; n < 3; n += 1) {
      expect(await reasonOfAsync(() => verify(token))).toBe('revocation-unknown')
    }
    expect(asked.length).toBe(1)
    await clock.advance(1000)
    expect(await reasonOfAsync(() => verify(token))).toBe('revocation-unknown')
    expect(asked.length).toBe(2)
  })

  test('an issuer that does not answer in 5 s cannot be asked, and nobody waits for longer', async () => {
    const asked = Promise.withResolvers<void>()
    const introspect = () => {
      asked.resolve()
      return new Promise<never>(() => {})
    }
    const { verify } = issuer.verifier({ audience, introspect })
    let outcome: string | undefined
    void reasonOfAsync(async () => verify(await tokenOf())).then((reason) => {
      outcome = reason
    })
    await asked.promise
    await clock.advance(4999)
    expect(outcome).toBeUndefined()
    await clock.advance(1)
    expect(outcome).toBe('revocation-unknown')
  })

  test('a request is answered with 503, and a route that says so lets it in', async () => {
    const revocations = feed()
    revocations.late = true
    const verifier = issuer.verifier({ audience, revocations })
    const strict = requireAccessToken({ verifier, scopes: [] })
    const lenient = requireAccessToken({ verifier, scopes: [], whenUnknown: 'allow-until-expiry' })
    const server = createServer((request, response) => {
      const guard = request.url === '/lenient' ? lenient : strict
      void guard(request, response, () => response.end('in'))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(() => void server.close())
    const { port } = server.address() as AddressInfo
    const headers = { authorization: `Bearer ${await tokenOf()}` }
    const refused = await fetch(`http://127.0.0.1:${port}/strict`, { headers })
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await refused.json()).toMatchObject({ reason: 'revocation-unknown' })
    const taken = await fetch(`http://127.0.0.1:${port}/lenient`, { headers })
    expect(await taken.text()).toBe('in')
  })
})

test('without a feed the issuer is asked about every token', async () => {
  let active = true
  const { verify } = issuer.verifier({ audience, introspect: async () => active })
  const token = await tokenOf()
  await verify(token)
  active = false
  expect(await reasonOfAsync(() => verify(token))).toBe('token-revoked')
})

test('a token that is not for this service is told to nobody', async () => {
  const asked: string[] = []
  const introspect = async (token: string) => asked.push(token) > 0
  const { verify } = issuer.verifier({ audience, introspect })
  const elsewhere = await tokenOf({ aud: 'https://other.example.org' })
  expect(await reasonOfAsync(() => verify(elsewhere))).toBe('token-audience')
  expect(asked).toEqual([])
})
