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
