import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import {
  readSecret,
  type SecretFor,
  sealSecret,
} from '../../../../../server/broker/keys/secrets.ts'
import type { Injection, SecretSource } from '../../../../../server/broker/settings.ts'
import { memoryKeyManager } from '../../../../../server/ca/key-manager.ts'
import { CountersignError } from '../../../../../src/errors.ts'

const folder = mkdtempSync(join(tmpdir(), 'cs-secrets-'))
const keys = memoryKeyManager()
const value = 'a-key-of-the-vendor'
const inject: Injection = { kind: 'header', name: 'Authorization', prefix: 'Bearer ' }
const acme = { id: 'acme', inject }

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function file(name: string, text: string, mode = 0o600): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  chmodSync(path, mode)
  return path
}

async function read(secret: SecretSource, env: Record<string, string> = {}, of: SecretFor = acme) {
  try {
    return (await readSecret({ ...of, secret }, { env, keys })).reveal()
  } catch (error) {
    if (!(error instanceof CountersignError)) throw error
    expect(JSON.stringify([error.message, error.fix])).not.toContain(value)
    return error.reason
  }
}

test('comes from a file, a variable, or what this broker has sealed; one newline is not of it', async () => {
  expect(await read({ from: 'file', path: file('a', `${value}\n`) })).toBe(value)
  expect(await read({ from: 'env', name: 'KEY' }, { KEY: value })).toBe(value)
  const sealed = file('sealed', sealSecret(value, acme, keys))
  expect(await read({ from: 'sealed', path: sealed })).toBe(value)
})

test('T21 a file that others may read, or might have put there, is refused', async () => {
  for (const mode of [0o640, 0o604, 0o620, 0o601]) {
    expect(await read({ from: 'file', path: file('loose', value, mode) })).toBe('secret-mode')
  }
  symlinkSync(join(folder, 'a'), join(folder, 'link'))
  for (const path of ['link', 'none', '.']) {
    expect(await read({ from: 'file', path: join(folder, path) })).toBe('secret-unreadable')
  }
})

test('of a link it is said that it is one, and what to name', async () => {
  mkdirSync(join(folder, '..data'))
  file('..data/key', value)
  symlinkSync('..data/key', join(folder, 'key'))
  const path = join(folder, 'key')
  await expect(
    readSecret({ ...acme, secret: { from: 'file', path } }, { env: {}, keys }),
  ).rejects.toMatchObject({
    message: `${path} is a symbolic link`,
    fix: expect.stringContaining('/..data/'),
  })
  expect(await read({ from: 'file', path: join(folder, '..data/key') })).toBe(value)
})

test('T21 a file of another user, which he could change, is refused', async (context) => {
  if (process.getuid?.() !== 0) return context.skip('who is not root can give no file away')
  const path = file('given', value)
  for (const uid of [1, 1000, 65_534]) {
    chownSync(path, uid, 0)
    expect(await read({ from: 'file', path })).toBe('secret-owner')
  }
})

test('what never ends, or is larger than a secret, is not read', async () => {
  const pipe = join(folder, 'pipe')
  execFileSync('mkfifo', ['-m', '600', pipe])
  expect(await read({ from: 'file', path: pipe })).toBe('secret-unreadable')
  const large = file('large', value)
  truncateSync(large, 2 ** 32)
  expect(await read({ from: 'file', path: large })).toBe('secret-format')
})

test('what is sealed opens for its own integration and with its own wrapping key alone', async () => {
  const text = sealSecret(value, acme, keys)
  const path = file('other', text)
  expect(await read({ from: 'sealed', path }, {}, { id: 'other', inject })).toBe('secret-sealed')
  const foreign = file('foreign', sealSecret(value, acme, memoryKeyManager()))
  expect(await read({ from: 'sealed', path: foreign })).toBe('secret-sealed')
  for (const changed of [text.replace('v1', 'v2'), text.slice(0, -6), `${text.trim()}AAAA`, '']) {
    expect(await read({ from: 'sealed', path: file('changed', changed) })).toBe('secret-sealed')
  }
})

test('what no header could hold is no secret', async () => {
  const cases: readonly (readonly [text: string, reason: string])[] = [
    ['', 'secret-short'],
    ['short\n', 'secret-short'],
    [`${value}\r\nx: y`, 'secret-format'],
    [`${value}\n\n`, 'secret-format'],
    [` ${value}`, 'secret-format'],
    [`${value}é`, 'secret-format'],
    ['a'.repeat(5000), 'secret-format'],
  ]
  for (const [text, reason] of cases) {
    expect([text, await read({ from: 'env', name: 'KEY' }, { KEY: text })]).toEqual([text, reason])
  }
  expect(await read({ from: 'env', name: 'NONE' })).toBe('secret-missing')
})

test('T21 a scheme before the key is refused, since the key alone would leave with an answer and be taken for another', async () => {
  const text = `Bearer ${value}`
  const query: Injection = { kind: 'query', name: 'key' }
  for (const one of [acme, { ...acme, inject: query }]) {
    expect(await read({ from: 'env', name: 'KEY' }, { KEY: text }, one)).toBe('secret-format')
    expect(() => sealSecret(text, one, keys)).toThrow(
      expect.objectContaining({ fix: expect.stringContaining('prefix: "Bearer "') }),
    )
  }
  const basic: SecretFor = { ...acme, inject: { kind: 'basic', user: 'web' } }
  const password = 'a password of four words'
  expect(await read({ from: 'env', name: 'KEY' }, { KEY: password }, basic)).toBe(password)
})
