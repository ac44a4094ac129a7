import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { openKeyStore, type StoredIdentity } from '../../../../agent/key-store/key-store.ts'
import { writePrivateFile } from '../../../../agent/key-store/private-file.ts'
import { TrustDomain } from '../../../../src/spiffe-id/spiffe-id.ts'
import type { CertificateAuthority } from '../../../../src/x509/issue.ts'
import { agentId, bundleWith, makeCa, svidFor, trustDomain } from '../cache/fixture.ts'

let folder: string
let ca: CertificateAuthority
let identity: StoredIdentity
let renewed: StoredIdentity

beforeAll(async () => {
  ca = await makeCa()
  const current = await svidFor({ spiffeId: agentId }, ca)
  identity = { current, pending: undefined, canReattest: false }
  renewed = { ...identity, pending: await svidFor({ spiffeId: agentId }, ca) }
})

beforeEach(() => {
  folder = join(mkdtempSync(join(tmpdir(), 'key-store-')), 'data')
})

afterEach(() => rmSync(join(folder, '..'), { recursive: true }))

const open = () => openKeyStore(folder, trustDomain)

describe('the key store', () => {
  test('is empty at first', async () => {
    const store = await open()
    expect(await store.loadIdentity()).toBeUndefined()
    expect(await store.loadBundle()).toBeUndefined()
  })

  test('is of one trust domain: another does not go on with what was kept', async () => {
    await (await open()).saveIdentity(identity)
    const other = await openKeyStore(folder, TrustDomain.parse('other.example'))
    await expect(other.loadIdentity()).rejects.toMatchObject({
      code: 'conflict',
      reason: 'data-trust-domain',
      message: `${folder} belongs to an agent of the trust domain example.org, not of other.example`,
    })
  })

  test('T22 opens without what a crash left of a key', async () => {
    await (await open()).saveIdentity(identity)
    writeFileSync(join(folder, 'identity.json.new'), 'half', { mode: 0o600 })
    expect(await (await open()).loadIdentity()).toEqual(identity)
    expect(readdirSync(folder)).toEqual(['identity.json'])
  })

  test('gives back what was saved: an SVID, a renewed one beside it, a bundle', async () => {
    const bundle = bundleWith([{ ca }], { sequence: 2n ** 60n, refreshHintSeconds: 300 })
    const store = await open()
    await store.saveIdentity(identity)
    await store.saveBundle(bundle)
    const again = await open()
    expect(await again.loadIdentity()).toEqual(identity)
    expect(await again.loadBundle()).toEqual(bundle)
    await again.saveIdentity(renewed)
    expect(await (await open()).loadIdentity()).toEqual(renewed)
    await again.removeIdentity()
    expect(await (await open()).loadIdentity()).toBeUndefined()
  })

  test('T22 the folder is 0700 and its files 0600', async () => {
    const store = await open()
    await store.saveIdentity(identity)
    await store.saveBundle(bundleWith([{ ca }]))
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    for (const file of readdirSync(folder)) {
      expect(statSync(join(folder, file)).mode & 0o777, file).toBe(0o600)
    }
    expect(readdirSync(folder).sort()).toEqual(['bundle.json', 'identity.json'])
  })

  test('T22 a looser folder or file is refused, with the command that mends it', async () => {
    const store = await open()
    await store.saveIdentity(identity)
    for (const mode of [0o640, 0o604, 0o620]) {
      chmodSync(join(folder, 'identity.json'), mode)
      await expect(store.loadIdentity()).rejects.toMatchObject({
        reason: 'data-mode',
        fix: `chmod 600 ${folder}/identity.json`,
      })
    }
    chmodSync(folder, 0o750)
    await expect(open()).rejects.toMatchObject({ reason: 'data-mode', fix: `chmod 700 ${folder}` })
  })

  test('T15 a link in place of the folder or of a file is not followed', async () => {
    mkdirSync(`${folder}-other`, { mode: 0o700 })
    symlinkSync(`${folder}-other`, folder)
    await expect(open()).rejects.toMatchObject({ reason: 'data-mode' })
    rmSync(folder)
    const store = await open()
    await store.saveIdentity(identity)
    writeFileSync(`${folder}-other/target`, readFileSync(join(folder, 'identity.json')), {
      mode: 0o600,
    })
    rmSync(join(folder, 'identity.json'))
    symlinkSync(`${folder}-other/target`, join(folder, 'identity.json'))
    await expect(store.loadIdentity()).rejects.toMatchObject({ reason: 'data-mode' })
    // A write puts a file of its own in place of the link.
    await store.saveIdentity(renewed)
    expect(await store.loadIdentity()).toEqual(renewed)
    expect(readFileSync(`${folder}-other/target`, 'utf8')).not.toContain('pending')
  })

  test('T21 a damaged file is said to be damaged, and none of it is quoted', async () => {
    const store = await open()
    await store.saveIdentity(identity)
    const path = join(folder, 'identity.json')
    const good = readFileSync(path, 'utf8')
    const key = identity.current.privateKey.toString('base64')
    const other = await svidFor({ spiffeId: agentId }, ca)
    for (const bad of [
      '',
      good.slice(0, -9),
      good.replace('"version":1', '"version":2'),
      good.replace('"current"', '"extra":1,"current"'),
      good.replace(key, other.privateKey.toString('base64')),
    ]) {
      writeFileSync(path, bad)
      const error = await store.loadIdentity().catch((thrown: unknown) => thrown)
      expect(error).toMatchObject({ reason: 'data-damaged' })
      expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(
        key.slice(60, 90),
      )
    }
  })

  test('writes that come together do not tear each other', async () => {
    const store = await open()
    await Promise.all(
      Array.from({ length: 30 }, (_, at) => store.saveIdentity(at % 2 === 0 ? identity : renewed)),
    )
    expect(await store.loadIdentity()).toEqual(renewed)
    expect(readdirSync(folder)).toEqual(['identity.json'])
  })

  test('what a crash left of a write is no obstacle, and is not followed', async () => {
    const store = await open()
    symlinkSync('/nowhere/else', join(folder, 'identity.json.new'))
    await store.saveIdentity(identity)
    expect(await store.loadIdentity()).toEqual(identity)
  })
})

test('F14 a file that cannot be written says so, and the old one stays', async () => {
  mkdirSync(folder, { mode: 0o700 })
  const path = join(folder, 'file')
  await writePrivateFile(path, Buffer.from('old'))
  mkdirSync(`${path}.new`)
  await expect(writePrivateFile(path, Buffer.from('new'))).rejects.toMatchObject({
    code: 'unavailable',
    reason: 'data-unwritable',
  })
  expect(readFileSync(path, 'utf8')).toBe('old')
})
