import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { loadAgentConfig } from '../../../agent/config.ts'
import { loadServerConfig } from '../../../server/config.ts'
import { CountersignError } from '../../../src/errors.ts'
import { parseConfig } from '../../../src/runtime/config-file.ts'
import { hostPort } from '../../../src/runtime/config-value.ts'
import { parseDuration } from '../../../src/runtime/duration.ts'

const schema = z.strictObject({
  bind_address: z.string().optional(),
  ca: z.strictObject({ ttl: z.string().optional() }).optional(),
})

function refusal(text: string): CountersignError {
  try {
    parseConfig(text, 'server.yaml', schema)
  } catch (error) {
    if (error instanceof CountersignError) return error
    throw error
  }
  throw new Error('accepted')
}

describe('a config file', () => {
  test('an unknown key is refused with its line and the nearest one', () => {
    const error = refusal('# a comment\nbind_adress: 0.0.0.0:1\n')
    expect(error.reason).toBe('config-key')
    expect(error.message).toContain('server.yaml:2')
    expect(error.fix).toContain('bind_address')
  })

  test('a key that has to be there is called missing, and a list that must not be empty so', () => {
    const strict = z.strictObject({
      oauth: z.strictObject({ issuer: z.string(), ids: z.array(z.string()).min(1) }),
    })
    const said = (text: string) => {
      try {
        parseConfig(text, 'server.yaml', strict)
      } catch (error) {
        if (error instanceof CountersignError) return [error.reason, error.message, error.fix]
      }
      return undefined
    }
    expect(said('oauth:\n  ids: [a]\n')).toEqual([
      'config-value',
      'server.yaml:1: "oauth.issuer" is missing',
      'add issuer',
    ])
    expect(said('oauth:\n  issuer: a\n  ids: []\n')?.[1]).toBe(
      'server.yaml:3: "oauth.ids": must not be empty',
    )
  })

  test('it is called missing also where it is one of some words, or of several kinds', () => {
    const strict = z.strictObject({
      policy: z.union([z.literal('store'), z.string()]),
      profile: z.enum(['web', 'spiffe']),
      sink: z.discriminatedUnion('type', [z.strictObject({ type: z.literal('stdout') })]),
    })
    const sound = { policy: 'store', profile: 'web', sink: { type: 'stdout' } }
    for (const [key, bad] of [
      ['policy', { ...sound, policy: undefined }],
      ['profile', { ...sound, profile: undefined }],
      ['sink.type', { ...sound, sink: {} }],
    ] as const) {
      const read = (): unknown => parseConfig(JSON.stringify(bad), 'server.yaml', strict)
      const message = expect.stringMatching(`"${key}" is missing$`)
      expect(read).toThrow(
        expect.objectContaining({ message, fix: `add ${key.split('.').at(-1)}` }),
      )
    }
  })

  test('so is one further down', () => {
    const error = refusal('ca:\n  ttl: 1h\n  tll: 1h\n')
    expect(error.message).toContain('server.yaml:3')
    expect(error.message).toContain('ca.tll')
    expect(error.fix).toContain('"ttl"')
  })

  test('JSON is read too, a wrong value is refused with its line, broken YAML as such', () => {
    expect(parseConfig('{"ca": {"ttl": "1h"}}', 'x', schema)).toEqual({ ca: { ttl: '1h' } })
    expect(refusal('\nca: 3\n')).toMatchObject({ reason: 'config-value' })
    expect(refusal('a: [').reason).toBe('config-syntax')
    expect(refusal('a: 1\na: 2').reason).toBe('config-syntax')
  })

  test('of what may be written in several ways it is said what they are', () => {
    const several = z.strictObject({
      address: z.union([z.string(), z.literal(false)]).optional(),
      doors: z.union([hostPort, z.array(hostPort)]).optional(),
      key: z
        .discriminatedUnion('type', [
          z.strictObject({ type: z.literal('file'), path: z.string().optional() }),
          z.strictObject({ type: z.literal('memory') }),
        ])
        .optional(),
      target: z.union([z.strictObject({ id: z.string() }), z.strictObject({ url: z.url() })]),
    })
    const said = (text: string) => {
      try {
        parseConfig(text, 'x', several)
      } catch (error) {
        return error instanceof CountersignError ? error.message : undefined
      }
      return undefined
    }
    expect(said('address: 7')).toBe(
      'x:1: "address": expected string, received number; or expected false',
    )
    expect(said('doors: here')).toBe(
      'x:1: "doors": not an address; or expected array, received string',
    )
    expect(said('key: {type: kms}')).toBe(`x:1: "key.type": Expected 'file' | 'memory'`)
    expect(said('\nkey: {type: file, pth: a}')).toBe('x:2: unknown key "key.pth"')
    expect(said('target: {url: 1}')).toBe('x:1: "target.url": expected string, received number')
    expect(said('- a')).toBe('x: expected object, received array')
    expect(said('a: 1\na: 2')).toBe('x: Map keys must be unique at line 2, column 1')
  })

  test.each([
    ['planet: 1', 'remove it, or use one of: bind_address, ca'],
    ['ca: 3', 'write keys with their values'],
    ['bind_address: 3', 'write a text, in quotes where YAML would read it as something else'],
    ['a: [', 'correct that line'],
    ['ca: {}\nca: {}', 'keep one of the two'],
    ['key: {type: kms}', 'use one of: file, memory'],
    [
      'doors: here',
      'write it as host:port, for example 127.0.0.1:8081 or [::1]:8081; or write a list',
    ],
    ['open: maybe', 'write true or false; or use one of: yes, no'],
    ['level: loud', 'use one of: info, debug'],
    ['limit: 500', 'write at most 100'],
    ['name: ""', 'write at least 1 character'],
    ['at: nowhere', 'write it as host:port, for example'],
    ['even: 3', 'correct even: docs/configuration.md says'],
  ])('of %s it is said what to do', (text, fix) => {
    const wide = schema.extend({
      level: z.enum(['info', 'debug']).optional(),
      limit: z.int().max(100).optional(),
      name: z.string().min(1).optional(),
      at: hostPort.optional(),
      doors: z.union([hostPort, z.array(hostPort)]).optional(),
      open: z.union([z.boolean(), z.enum(['yes', 'no'])]).optional(),
      key: z
        .discriminatedUnion('type', [
          z.strictObject({ type: z.literal('file') }),
          z.strictObject({ type: z.literal('memory') }),
        ])
        .optional(),
      even: z
        .int()
        .refine((value) => value % 2 === 0, 'odd')
        .optional(),
    })
    const parse = () => parseConfig(text, 'server.yaml', text.startsWith('planet') ? schema : wide)
    expect(parse).toThrow(expect.objectContaining({ fix: expect.stringContaining(fix) }))
  })

  test('what would be taken for something else, or for nothing, is refused with its line', () => {
    const labels = schema.extend({ labels: z.record(z.string(), z.string()).optional() })
    const said = (text: string) => {
      try {
        return parseConfig(text, 'x', labels)
      } catch (error) {
        return error instanceof CountersignError ? [error.reason, error.message] : error
      }
    }
    expect(said('\nbind_address: !env ADDRESS')).toEqual(['config-syntax', 'x:2: an unknown tag'])
    expect(said('labels: !x {a: b}')).toEqual(['config-syntax', 'x:1: an unknown tag'])
    expect(said('labels: !!seq {a: b}')).toEqual(['config-syntax', 'x:1: an unknown tag'])
    expect(said('%INCLUDE a\n---\nca: {}')).toEqual(['config-syntax', 'x:1: an unknown directive'])
    expect(said('labels:\n  a: b\n  __proto__: c')).toEqual([
      'config-syntax',
      'x:3: no key is called __proto__',
    ])
    expect(said('\n{{ trust_domain }}: a')).toEqual(['config-syntax', 'x:2: a key is one word'])
    expect(said('labels:\n  !!binary bQ==: b')).toEqual(['config-syntax', 'x:2: a key is one word'])
    expect(said('ca: {}\n---\nca: {}')).toEqual(['config-syntax', 'x:2: another document begins'])
    expect(said('labels: {a: !!str 5,\n}')).toEqual({ labels: { a: '5' } })
  })

  test('T23 an alias bomb and __proto__ do nothing', () => {
    expect(refusal('a: &a [1]\nb: [*a, *a]').reason).toMatch(/^config-/)
    expect(refusal('__proto__: {polluted: 1}').reason).toMatch(/^config-/)
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

describe('settings', () => {
  const env = { COUNTERSIGN_TRUST_DOMAIN: 'env.example', COUNTERSIGN_BIND_ADDRESS: '1.2.3.4:5' }

  test('the command line comes before the environment, and that before the default', () => {
    const config = loadServerConfig({
      file: undefined,
      env,
      flags: { trust_domain: 'flag.example' },
    })
    expect(config.trustDomain).toBe('flag.example')
    expect(config.bindAddress).toEqual({ host: '1.2.3.4', port: 5 })
    expect(config.x509SvidTtlSeconds).toBe(3600)
  })

  test('what is missing or wrong names the setting, the flag and the variable', () => {
    expect(() => loadServerConfig({ file: undefined, env: {}, flags: {} })).toThrow(/trust_domain/)
    expect(() =>
      loadServerConfig({ file: undefined, env: { COUNTERSIGN_TRUST_DOMAIN: 'No' }, flags: {} }),
    ).toThrow(/COUNTERSIGN_TRUST_DOMAIN/)
    expect(() =>
      loadServerConfig({ file: undefined, env, flags: { bind_address: 'nowhere' } }),
    ).toThrow(/--bind-address/)
  })

  test('an agent’s secrets for Envoy are named as with SPIRE, or as the file says, each differently', () => {
    const flags = { trust_domain: 'a.example', server_address: '127.0.0.1:8081' }
    const withFile = (text: string) => {
      const file = join(mkdtempSync(join(tmpdir(), 'cs-config-')), 'agent.yaml')
      writeFileSync(file, text)
      onTestFinished(() => rmSync(dirname(file), { recursive: true }))
      return loadAgentConfig({ file, env: {}, flags }).sds
    }
    expect(withFile('')).toEqual({
      defaultSvidName: 'default',
      defaultBundleName: 'ROOTCA',
      defaultAllBundlesName: 'ALL',
      disableSpiffeCertValidation: false,
    })
    expect(
      withFile('sds: { default_bundle_name: "null", disable_spiffe_cert_validation: true }'),
    ).toMatchObject({ defaultBundleName: 'null', disableSpiffeCertValidation: true })
    expect(withFile('sds: { enabled: false }')).toBeUndefined()
    const reason = (word: string) => expect.objectContaining({ reason: word })
    expect(() => withFile('sds: { default_svid_name: ALL }')).toThrow(reason('config-sds-names'))
    expect(() => withFile('sds: { default_svid_nam: x }')).toThrow(
      expect.objectContaining({ fix: 'did you mean "default_svid_name"?' }),
    )
    expect(() => withFile('sds: { default_svid_name: "" }')).toThrow(reason('config-value'))
  })

  test('an agent believes one thing of its server the first time, and nothing unless told', () => {
    const flags = { trust_domain: 'a.example', server_address: '127.0.0.1:8081' }
    expect(loadAgentConfig({ file: undefined, env: {}, flags }).trust).toBeUndefined()
    const hash = 'ab'.repeat(32)
    expect(
      loadAgentConfig({ file: undefined, env: {}, flags: { ...flags, trust_ca_sha256: hash } })
        .trust,
    ).toEqual({ by: 'ca-key', sha256: [hash] })
    expect(() =>
      loadAgentConfig({
        file: undefined,
        env: {},
        flags: { ...flags, trust_ca_sha256: hash, insecure_bootstrap: 'true' },
      }),
    ).toThrow(/only one/)
  })
})

test.each([
  ['90', 90],
  ['90s', 90],
  ['15m', 900],
  ['24h', 86_400],
  ['7d', 604_800],
])('the duration %s is %i seconds', (text, seconds) => {
  expect(parseDuration(text)).toBe(seconds)
})

test.each(['', '0', '-1', '1.5h', '1w', '1 h', '99999999999', '1e3'])(
  '%j is no duration',
  (text) => {
    expect(() => parseDuration(text)).toThrow(CountersignError)
  },
)
