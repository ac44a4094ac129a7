import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadServerConfig } from '../../../server/config.ts'

test('a limit on signing under which no batch of an agent could ever pass is refused at the start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'server.json')
  const load = (burst: number) => {
    const rate_limits = { sign: { per_second: 10, burst } }
    writeFileSync(
      file,
      JSON.stringify({ trust_domain: 'example.org', data_dir: folder, rate_limits }),
    )
    return loadServerConfig({ file, env: {}, flags: {} }).rateLimits.sign
  }
  expect(() => load(999)).toThrow(expect.objectContaining({ reason: 'config-value' }))
  expect(load(1000)).toEqual({ perSecond: 10, burst: 1000 })
})

test('JWT-03 a CA may have an Ed25519 key, and a key for JWT-SVIDs may not', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'server.yaml')
  const load = (ca: string) => {
    writeFileSync(file, `trust_domain: example.org\nca: {${ca}}\n`)
    return loadServerConfig({ file, env: {}, flags: {} }).ca
  }
  expect(load('key_type: ed25519')).toMatchObject({ keyKind: 'ed25519', jwtKeyKind: 'ec-p256' })
  expect(() => load('jwt_key_type: ed25519')).toThrow('server.yaml:2: "ca.jwt_key_type"')
})

test.each([
  ['ca: {ttl: 29s}', 'write at least 30s'],
  ['x509_svid_ttl: 11000d', 'write it as 90s, 15m, 24h or 7d'],
  ['selector_types: [UNIX]', 'write 1 to 64 of a-z, 0-9, _, . and -'],
  ['jwt_issuer: http://issuer.example.org', 'write it from https:// on'],
])('%s is refused, and it is said what to write', (line, fix) => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'server.yaml')
  writeFileSync(file, `trust_domain: example.org\n${line}\n`)
  expect(() => loadServerConfig({ file, env: {}, flags: {} })).toThrow(
    expect.objectContaining({ reason: 'config-value', fix }),
  )
})

test('nothing is said of the own trust domain as of one to federate with', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'server.yaml')
  const load = (name: string) => {
    const federation = `federation: {trust_domains: [{name: ${name}}]}`
    writeFileSync(file, `trust_domain: example.org\n${federation}\n`)
    return loadServerConfig({ file, env: {}, flags: {} }).federation
  }
  expect(() => load('example.org')).toThrow(
    expect.objectContaining({ reason: 'config-federation' }),
  )
  expect(load('partner.example').trustDomains.size).toBe(1)
})

test('what is not said has the lifetimes and the doors that the documentation says', () => {
  const env = { COUNTERSIGN_TRUST_DOMAIN: 'example.org', COUNTERSIGN_DATA_DIR: '/data' }
  expect(loadServerConfig({ file: undefined, env, flags: {} })).toMatchObject({
    ca: { ttlSeconds: 86_400, keyKind: 'ec-p256', jwtKeyKind: 'ec-p256' },
    x509SvidTtlSeconds: 3600,
    jwtSvidTtlSeconds: 300,
    agentTtlSeconds: 86_400,
    bindAddress: { host: '0.0.0.0', port: 8081 },
    adminSocket: '/data/admin/api.sock',
    httpAddress: { host: '127.0.0.1', port: 8082 },
    keyManager: { type: 'file', path: '/data/wrapping.key' },
    jwtIssuer: undefined,
    oauth: undefined,
    oidc: undefined,
  })
})

test.each([
  ['COUNTERSIGN_LOG_LEVEL', 'COUNTERSIGN_LOG_LEVEL: expected one of "error"|"warn"|"info"|"debug"'],
  ['COUNTERSIGN_HTTP_ADDRESS', 'COUNTERSIGN_HTTP_ADDRESS: not an address; or expected false'],
])('a variable is told what is wrong in the words of the file: %s', (name, message) => {
  const env = { COUNTERSIGN_TRUST_DOMAIN: 'example.org', [name]: 'loud' }
  expect(() => loadServerConfig({ file: undefined, env, flags: {} })).toThrow(
    expect.objectContaining({ message, fix: expect.any(String) }),
  )
})
