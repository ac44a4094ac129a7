import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { issuerKeys } from '../../../../../server/oauth/federated/issuer-keys.ts'
import type { FederatedIssuer } from '../../../../../server/oauth/federated/settings.ts'
import { CountersignError } from '../../../../../src/errors.ts'
import { type Log, silentLog } from '../../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'
import { type OidcIssuer, startOidcIssuer } from '../../../../support/oidc-issuer.ts'
import { reasonOf } from '../../../../support/reason-of.ts'

let issuer: OidcIssuer
let kid: string

beforeAll(async () => {
  issuer = await startOidcIssuer()
})
beforeEach(() => {
  for (const path of ['/keys', '/.well-known/openid-configuration']) issuer.answer(path, undefined)
  kid = issuer.keyId
})
afterAll(() => issuer?.[Symbol.asyncDispose]())

type Settings = Pick<FederatedIssuer, 'issuer' | 'keys' | 'reach'>

function start(changed: Partial<Settings> = {}, reach: Partial<Settings['reach']> = {}) {
  const clock = new FakeClock()
  const why: unknown[] = []
  const log: Log = {
    ...silentLog,
    warn: (_, fields) => {
      // What was in the way is beneath what it led to.
      const { cause } = (fields as { error: { cause: Error } }).error.cause
      why.push(cause instanceof CountersignError ? cause.reason : cause)
    },
  }
  const settings: Settings = {
    issuer: issuer.url,
    keys: { at: 'discovery' },
    ...changed,
    reach: {
      ...{ webCa: issuer.ca, allowedNetworks: ['127.0.0.1', '::1'], allowedPorts: undefined },
      ...reach,
    },
  }
  const before = issuer.asked.length
  const asked = (): number => issuer.asked.length - before
  return { clock, why, asked, keys: issuerKeys(settings, { clock, log }) }
}

test('the keys are those that the discovery document names, and fetched once for all who wait', async () => {
  const { keys, asked } = start()
  const found = await Promise.all(Array.from({ length: 20 }, () => keys(kid)))
  expect(new Set(found.map((key) => key?.toString('hex'))).size).toBe(1)
  expect(found[0]).toEqual(issuer.publicKey.export({ type: 'spki', format: 'der' }))
  expect(asked()).toBe(2)
})

test('T12 a stranger’s key IDs make the server ask at most once in five seconds', async () => {
  const { clock, keys, asked } = start()
  await keys(kid)
  for (let i = 0; i < 50; i += 1) expect(await keys(`unknown-${i}`)).toBeUndefined()
  expect(asked()).toBe(2)
  await clock.advance(5001)
  for (let i = 0; i < 50; i += 1) expect(await keys(`unknown-${i}`)).toBeUndefined()
  expect(asked()).toBe(4)
})

test('a key that the issuer takes into use is found, and one that it has left is gone with the next look', async () => {
  const { clock, keys } = start()
  const before = kid
  await keys(before)
  issuer.rotate()
  const next = issuer.keyId
  await clock.advance(5001)
  expect(await keys(next)).toBeDefined()
  issuer.answer('/keys', (_, response) => response.end('{"keys":[]}'))
  await clock.advance(300_001)
  await keys('any')
  expect(await keys(before)).toBeUndefined()
})

test('an issuer that is away is asked again after five seconds; its keys serve for ten minutes', async () => {
  const { clock, keys, asked, why } = start()
  await keys(kid)
  issuer.answer('/keys', (_, response) => response.writeHead(500).end())
  await clock.advance(599_000)
  expect(await keys(kid)).toBeDefined()
  await expect.poll(asked).toBe(4)
  await clock.advance(2000)
  expect(await reasonOf(keys(kid))).toBe('jwks-unavailable')
  expect(asked()).toBe(4)
  await clock.advance(5001)
  expect(await reasonOf(keys(kid))).toBe('jwks-unavailable')
  expect([asked(), why.at(-1)]).toEqual([6, 'federation-status'])
})

test('why they cannot be fetched is said once a minute, and another reason at once', async () => {
  const path = join(issuer.ca, '..', 'none.json')
  const { clock, keys, why } = start({ keys: { at: 'file', path } })
  const ask = async () => {
    await clock.advance(5001)
    await keys(kid).catch(() => {})
  }
  for (let i = 0; i < 11; i += 1) await ask()
  expect(why).toEqual(['federated-file'])
  writeFileSync(path, '[]')
  await ask()
  expect(why).toHaveLength(2)
  rmSync(path)
  await ask()
  expect(why).toEqual(['federated-file', why[1], 'federated-file'])
})

test('keys of a file are read again', async () => {
  const path = join(issuer.ca, '..', 'keys.json')
  const { clock, keys, asked, why } = start({ keys: { at: 'file', path } })
  expect(await reasonOf(keys(kid))).toBe('jwks-unavailable')
  expect(why).toEqual(['federated-file'])
  const jwk = issuer.publicKey.export({ format: 'jwk' })
  writeFileSync(path, JSON.stringify({ keys: [{ ...jwk, kid, use: 'sig' }] }))
  await clock.advance(5001)
  expect(await keys(kid)).toBeDefined()
  expect(asked()).toBe(0)
})

test('RFC 7517 §4.2 a key that does not say what it is for is for signatures, and one for something else is none', async () => {
  const path = join(issuer.ca, '..', 'uses.json')
  const jwk = issuer.publicKey.export({ format: 'jwk' })
  const { keys } = start({ keys: { at: 'file', path } })
  const uses = { none: undefined, enc: 'enc', svid: 'jwt-svid', other: null }
  writeFileSync(
    path,
    JSON.stringify({ keys: Object.entries(uses).map(([id, use]) => ({ ...jwk, kid: id, use })) }),
  )
  expect(await keys('none')).toBeDefined()
  for (const id of ['enc', 'svid', 'other']) expect(await keys(id)).toBeUndefined()
})

describe('T8 no key is fetched', () => {
  const discovering = (document: object) =>
    issuer.answer('/.well-known/openid-configuration', (_, response) =>
      response.end(JSON.stringify({ issuer: issuer.url, ...document })),
    )

  test('from a private address that nobody allowed, nor from another port', async () => {
    for (const [reach, reason] of [
      [{ allowedNetworks: [] }, 'federation-address'],
      [{ allowedPorts: [443] }, 'federation-port'],
      [{ webCa: undefined }, 'federation-certificate'],
    ] as const) {
      const { keys, asked, why } = start({}, reach)
      expect(await reasonOf(keys(kid))).toBe('jwks-unavailable')
      expect([why, asked()]).toEqual([[reason], 0])
    }
  })

  test('from where a discovery document of somebody else, or none, leads', async () => {
    for (const [document, reason] of [
      [{ issuer: 'https://other.example', jwks_uri: `${issuer.url}/keys` }, 'federated-discovery'],
      [{}, 'federated-discovery'],
      [{ jwks_uri: `http://localhost:${issuer.port}/keys` }, 'federation-url'],
      [{ jwks_uri: 'file:///etc/passwd' }, 'federation-url'],
      [{ jwks_uri: 'https://169.254.169.254/keys' }, 'federation-address'],
    ] as const) {
      discovering(document)
      const { keys, asked, why } = start()
      expect(await reasonOf(keys(kid))).toBe('jwks-unavailable')
      expect([why, asked()]).toEqual([[reason], 1])
    }
  })

  test('behind a redirect', async () => {
    issuer.answer('/keys', (_, response) =>
      response.writeHead(302, { location: `${issuer.url}/other` }).end(),
    )
    const { keys, why, asked } = start()
    expect(await reasonOf(keys(kid))).toBe('jwks-unavailable')
    expect([why, asked()]).toEqual([['federation-redirect'], 2])
  })

  test('of a set without end, or of too many', async () => {
    const { keys, why } = start()
    issuer.answer('/keys', (_, response) => {
      const more = (): void => void response.write('x'.repeat(65_536), more)
      more()
    })
    expect(await reasonOf(keys(kid))).toBe('jwks-unavailable')
    const many = start()
    issuer.answer('/keys', (_, response) =>
      response.end(JSON.stringify({ keys: Array(1025).fill({}) })),
    )
    expect(await reasonOf(many.keys(kid))).toBe('jwks-unavailable')
    expect(why).toEqual(['bundle-too-large'])
  })
})
