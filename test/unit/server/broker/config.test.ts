import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { loadBrokerConfig } from '../../../../server/broker/config.ts'
import { CountersignError } from '../../../../src/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'cs-broker-config-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

const acme = {
  ...{ id: 'acme', owner: 'sales', upstream: 'https://api.acme.test' },
  ...{ secret: { file: 'acme.key' }, inject: { header: 'X-Api-Key' } },
  ...{ methods: ['GET'], paths: ['/v2/**'] },
}
const sound = {
  ...{ url: 'https://broker.test:8444', address: '127.0.0.1:8444', data_dir: 'data' },
  ...{ issuer: 'https://as.test', policy: 'policy', integrations: [acme] },
}

function load(file: object) {
  const path = join(folder, 'broker.json')
  writeFileSync(path, JSON.stringify(file))
  return loadBrokerConfig(path, new Date('2026-11-27T12:00:00Z'))
}

function faultOf(file: object): string {
  try {
    load(file)
    return 'none'
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    return `${error.reason}: ${error.message} ${error.fix}`
  }
}

const withAcme = (changed: object): object => ({
  ...sound,
  integrations: [{ ...acme, ...changed }],
})

test('an integration is known by its URL, and nothing is allowed that is not named', () => {
  const { feed, integrations } = load(sound)
  // What is revoked counts unless somebody has said that it does not.
  expect(feed).toBe(true)
  const [integration] = integrations
  expect(integration).toMatchObject({
    audience: 'https://broker.test:8444/acme',
    networks: [],
    svidAlone: false,
    requireBound: false,
    disabled: false,
    rate: { caller: { perSecond: 10, burst: 20 } },
    limits: { requestBytes: 10 << 20, timeoutMs: 30_000, calls: 64 },
  })
})

test('an integration is opened again as of an instant that is past, a clock that is a minute ahead aside', () => {
  const opened = (reopened: string) => faultOf(withAcme({ reopened }))
  expect(opened('2026-11-27T12:01:00Z')).toBe('none')
  expect(opened('2026-11-27T12:01:01Z')).toMatch(
    /^config-broker: integration acme: reopened is still to come/,
  )
})

test('what is unsound is refused, with the place and the nearest key', () => {
  const cases: readonly (readonly [file: object, fault: RegExp])[] = [
    [
      withAcme({ mathods: ['GET'] }),
      /config-key.*integrations\.0\.mathods.*did you mean "methods"/,
    ],
    [withAcme({ methods: ['TRACE'] }), /config-value.*methods/],
    [withAcme({ paths: ['/v2/a%3Ab'] }), /config-value.*paths/],
    [withAcme({ methods: [] }), /config-value/],
    [withAcme({ paths: ['/v2/*x'] }), /config-value.*paths/],
    [withAcme({ id: 'Acme' }), /config-value.*id/],
    [withAcme({ upstream: 'http://api.acme.test' }), /config-broker.*upstream/],
    [withAcme({ upstream: 'https://api.acme.test/v2' }), /config-broker.*upstream/],
    [
      withAcme({ upstream: 'https://user:hidden-word@api.acme.test' }),
      /config-broker(?!.*hidden-word)/,
    ],
    [withAcme({ secret: 'the-key-itself' }), /config-value(?!.*the-key-itself)/],
    [withAcme({ secret: { file: 'a', env: 'B' } }), /config-value|config-key/],
    [withAcme({ secret: undefined }), /config-value.*secret/],
    [withAcme({ secret: { env: 'acme-key' } }), /config-value.*secret/],
    [withAcme({ secret: { env: '__proto__' } }), /config-value.*secret/],
    [withAcme({ paths: [] }), /config-value.*paths/],
    [withAcme({ owner: '' }), /config-value.*owner/],
    [withAcme({ owner: undefined }), /config-value.*owner/],
    [withAcme({ inject: { query: 'a&b' } }), /config-value.*inject/],
    // Until a colon it is the user, behind it the key (RFC 7617 §2).
    [withAcme({ inject: { basic: 'us:er' } }), /config-value.*inject/],
    [withAcme({ inject: { header: 'X-Key', prefix: 'a\r\nX: ' } }), /config-value.*inject/],
    [withAcme({ inject: { header: 'X: y' } }), /config-value.*inject/],
    [withAcme({ inject: { header: 'Transfer-Encoding' } }), /config-broker.*no header for a key/],
    [withAcme({ inject: { header: 'host' } }), /config-broker/],
    [withAcme({ request_headers: ['Authorization'] }), /config-broker.*authorization/],
    [withAcme({ request_headers: ['X-Forwarded-For'] }), /config-broker/],
    [withAcme({ request_headers: ['X-Original-URL'] }), /config-broker/],
    [withAcme({ request_headers: ['x-api-key'] }), /config-broker/],
    // The header of the key itself, whatever it is called.
    [
      withAcme({ inject: { header: 'X-Acme-Key' }, request_headers: ['x-acme-KEY'] }),
      /config-broker.*x-acme-key/,
    ],
    [withAcme({ rate: '10/d' }), /config-value.*rate/],
    [withAcme({ rate: '0/s' }), /config-value.*rate/],
    [withAcme({ networks: ['10.0.0.0/33'] }), /config-value.*integrations\.0\.networks\.0/],
    [withAcme({ networks: ['10.7.0.1/16'] }), /config-value.*networks.*10\.7\.0\.0\/16/],
    [{ ...sound, integrations: [acme, acme] }, /config-broker.*two integrations acme/],
    [{ ...sound, integrations: [] }, /config-value/],
    [{ ...sound, url: 'https://broker.test:8444/' }, /config-broker.*url/],
    [{ ...sound, issuer: 'http://as.test' }, /config-broker.*issuer/],
    [{ ...sound, adress: 'x' }, /config-key.*did you mean "address"/],
  ]
  for (const [file, fault] of cases) expect(faultOf(file)).toMatch(fault)
})

test('a secret or a place for it of no known form is told the forms that there are', () => {
  const withOne = (one: object) => ({ ...sound, integrations: [{ ...acme, ...one }] })
  const told = (fix: string) => expect.objectContaining({ fix: expect.stringContaining(fix) })
  expect(() => load(withOne({ secret: { fil: 'acme.key' } }))).toThrow(told('{file: PATH}'))
  expect(() => load(withOne({ secret: 3 }))).toThrow(told('{file: PATH}'))
  expect(() => load(withOne({ inject: { headers: 'X-Api-Key' } }))).toThrow(told('{query: NAME}'))
  expect(() => load(withOne({ inject: {} }))).toThrow(told('{query: NAME}'))
  expect(() => load(withOne({ paths: ['v2/contacts'] }))).toThrow('begins with /')
})
