import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { readOfflineKey } from '../../../../agent/cache/offline-key.ts'
import { loadAgentConfig } from '../../../../agent/config.ts'
import { reasonOf, reasonOfAsync } from '../../../support/x509-fixtures.ts'

let folder: string
let path: string
const raw = Buffer.alloc(32, 7)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'offline-key-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(join(folder, 'data'))
  path = join(folder, 'key')
  writeFileSync(path, raw, { mode: 0o600 })
})

const read = (from: string, credentialsDir?: string): Promise<Buffer> =>
  readOfflineKey({ path: from, dataDir: join(folder, 'data'), credentialsDir })

describe('T22 the key of a cache on disk', () => {
  test('is the same from bytes and from hex digits, and not the bytes themselves', async () => {
    const key = await read(path)
    expect(key).toHaveLength(32)
    expect(key).not.toEqual(raw)
    writeFileSync(path, `${raw.toString('hex')}\n`)
    expect(await read(path)).toEqual(key)
  })

  test.each([0o640, 0o604, 0o660])('is refused where others may read it: %o', async (mode) => {
    chmodSync(path, mode)
    expect(await reasonOfAsync(() => read(path))).toBe('data-mode')
  })

  test('may be shown to a group only where systemd lends it, and to all nowhere', async () => {
    chmodSync(path, 0o440)
    expect(await reasonOfAsync(() => read(path))).toBe('data-mode')
    expect(await read(path, folder)).toHaveLength(32)
    chmodSync(path, 0o444)
    expect(await reasonOfAsync(() => read(path, folder))).toBe('data-mode')
  })

  test('never lies beside what it seals, by whatever name', async () => {
    const inside = join(folder, 'data', 'key')
    writeFileSync(inside, raw, { mode: 0o600 })
    expect(await reasonOfAsync(() => read(inside))).toBe('config-offline-key')
    const link = join(folder, 'link')
    symlinkSync(inside, link)
    expect(await reasonOfAsync(() => read(link))).toBe('config-offline-key')
  })

  test.each([
    ['too short', Buffer.alloc(31)],
    ['too long', Buffer.alloc(33)],
    ['not hex', 'x'.repeat(64)],
    ['empty', ''],
  ])('is refused where it is none: %s', async (_, content) => {
    writeFileSync(path, content)
    expect(await reasonOfAsync(() => read(path))).toBe('config-offline-key')
  })

  test('has to be there', async () => {
    expect(await reasonOfAsync(() => read(join(folder, 'none')))).toBe('config-offline-key')
  })
})

describe('offline_cache_key_file', () => {
  const load = (text: string, more = '', env: Record<string, string> = {}) => {
    const file = join(folder, 'agent.yaml')
    const rest = 'trust_domain: example.org\nserver_address: a:1\n'
    writeFileSync(file, `${rest}offline_cache_key_file: "${text}"\n${more}`)
    return loadAgentConfig({ file, env, flags: {} }).offlineCacheKeyFile
  }

  test('is a path, or a credential of systemd', () => {
    expect(load('/etc/key')).toBe('/etc/key')
    expect(load('key')).toBe(resolve('key'))
    const env = { CREDENTIALS_DIRECTORY: '/run/credentials/agent' }
    expect(load('credential:offline', '', env)).toBe('/run/credentials/agent/offline')
  })

  test.each(['a\\0b', 'unix:/etc/key', ''])('is refused where it is neither: %j', (text) => {
    expect(reasonOf(() => load(text))).toBe('config-value')
  })

  test('is refused without such a credential, with a way out of the folder, and without a cache', () => {
    expect(reasonOf(() => load('credential:offline'))).toBe('config-offline-key')
    const env = { CREDENTIALS_DIRECTORY: '/run/credentials/agent' }
    for (const name of ['../key', 'a/b', '', '..']) {
      expect(reasonOf(() => load(`credential:${name}`, '', env))).toBe('config-offline-key')
    }
    expect(reasonOf(() => load('/etc/key', 'offline_cache: false\n'))).toBe('config-offline-key')
  })
})
