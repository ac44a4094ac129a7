import { randomBytes } from 'node:crypto'
import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  fileKeyManager,
  type KeyContext,
  memoryKeyManager,
} from '../../../../server/ca/key-manager.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import { generateKeyPair, type KeyKind, spkiOf } from '../../../../src/x509/key.ts'

let folder: string
let path: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keys-'))
  path = join(folder, 'wrapping.key')
})
afterEach(() => rm(folder, { recursive: true }))

async function keyAndContext(kind: KeyKind = 'ec-p256') {
  const { privateKey } = await generateKeyPair(kind)
  const about: KeyContext = {
    trustDomain: TrustDomain.parse('example.org'),
    keyId: 'k1',
    purpose: 'x509',
    publicKey: spkiOf(privateKey),
  }
  return { privateKey, about }
}

describe('sealed keys', () => {
  test.each<KeyKind>(['ec-p256', 'ec-p384', 'rsa-2048', 'ed25519'])(
    'a %s key opens again with the same wrapping key file',
    async (kind) => {
      const { privateKey, about } = await keyAndContext(kind)
      const sealed = await (await fileKeyManager(path)).seal(privateKey, about)
      const signer = await (await fileKeyManager(path)).open(sealed, about)
      expect(signer.kind).toBe(kind)
      expect(spkiOf(signer.publicKey)).toEqual(about.publicKey)
    },
  )

  test('T10 a sealed key with any byte changed is refused', async () => {
    const { privateKey, about } = await keyAndContext()
    const keys = memoryKeyManager()
    const sealed = await keys.seal(privateKey, about)
    for (let at = 0; at < sealed.length; at += 1) {
      const changed = Buffer.from(sealed)
      changed[at] = (changed[at] ?? 0) ^ 1
      await expect(keys.open(changed, about)).rejects.toMatchObject({
        reason: 'sealed-key-refused',
      })
    }
    for (const cut of [Buffer.alloc(0), sealed.subarray(0, 20), sealed.subarray(0, -1)]) {
      await expect(keys.open(cut, about)).rejects.toMatchObject({ reason: 'sealed-key-refused' })
    }
  })

  test('T10 TDB-16 TDB-17 a sealed key that was moved to another trust domain, id, purpose or public key is refused', async () => {
    const { privateKey, about } = await keyAndContext()
    const other = await keyAndContext()
    const keys = memoryKeyManager()
    const sealed = await keys.seal(privateKey, about)
    const contexts: readonly KeyContext[] = [
      { ...about, trustDomain: TrustDomain.parse('example.com') },
      { ...about, keyId: 'k2' },
      { ...about, purpose: 'jwt' },
      { ...about, publicKey: other.about.publicKey },
    ]
    for (const context of contexts) {
      await expect(keys.open(sealed, context)).rejects.toMatchObject({
        reason: 'sealed-key-refused',
      })
    }
  })

  test('another wrapping key does not open it', async () => {
    const { privateKey, about } = await keyAndContext()
    const sealed = await memoryKeyManager().seal(privateKey, about)
    await expect(memoryKeyManager().open(sealed, about)).rejects.toMatchObject({
      reason: 'sealed-key-refused',
    })
  })

  test('the private key is not in what is kept, and the same key is never sealed alike', async () => {
    const { privateKey, about } = await keyAndContext()
    const keys = memoryKeyManager()
    const [one, two] = [await keys.seal(privateKey, about), await keys.seal(privateKey, about)]
    const secret = Buffer.from(privateKey.export({ format: 'jwk' }).d ?? '', 'base64url')
    expect(one.includes(secret)).toBe(false)
    expect(one.equals(two)).toBe(false)
  })
})

describe('the wrapping key file', () => {
  test('T22 is made with mode 0600 and nothing is left beside it', async () => {
    await fileKeyManager(path)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(folder)).toEqual(['wrapping.key'])
  })

  test('two servers that start at once use the same one', async () => {
    const { privateKey, about } = await keyAndContext()
    const managers = await Promise.all(Array.from({ length: 8 }, () => fileKeyManager(path)))
    const sealed = await managers[0]?.seal(privateKey, about)
    for (const keys of managers) {
      await expect(keys.open(sealed ?? Buffer.alloc(0), about)).resolves.toBeDefined()
    }
  })

  test.each([0o640, 0o604, 0o660, 0o610])('T22 mode %o is refused with its cure', async (mode) => {
    await fileKeyManager(path)
    await chmod(path, mode)
    await expect(fileKeyManager(path)).rejects.toMatchObject({
      code: 'invalid',
      reason: 'wrapping-key-loose',
      fix: `chmod 600 ${path}`,
    })
  })

  test('T22 a link is refused', async () => {
    await fileKeyManager(path)
    const link = join(folder, 'link')
    await symlink(path, link)
    await expect(fileKeyManager(link)).rejects.toMatchObject({ reason: 'wrapping-key-kind' })
  })

  test('where data was written under it and it is gone, no other is made in its place', async () => {
    const opened = fileKeyManager(path, true)
    await expect(opened).rejects.toMatchObject({ reason: 'wrapping-key-missing' })
    expect(await readdir(folder)).toEqual([])
  })

  test('one that cannot be made says so', async () => {
    const opened = fileKeyManager('/proc/countersign/wrapping.key')
    await expect(opened).rejects.toMatchObject({ reason: 'wrapping-key-unwritable' })
  })

  test('anything but a whole key is refused and left as it is', async () => {
    const texts = [
      '',
      'x',
      randomBytes(32).toString('base64url'),
      'countersign-wrapping-key-v1 AAAA\n',
    ]
    for (const text of texts) {
      await writeFile(path, text, { mode: 0o600 })
      await expect(fileKeyManager(path)).rejects.toMatchObject({ reason: 'wrapping-key-format' })
      expect(await readFile(path, 'utf8')).toBe(text)
    }
  })
})
