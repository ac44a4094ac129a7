import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { VersionedFolder } from '../../../src/files/folder.ts'
import { reasonOf } from '../../support/reason-of.ts'
import { fileOf, openFolder, read, temporaryFolder } from './fixture.ts'

const isRoot = process.geteuid?.() === 0
const pair = (version: string) => [fileOf('key.pem', version), fileOf('cert.pem', version)]

function modeOf(path: string): string {
  return (statSync(path).mode & 0o777).toString(8)
}

function versionsIn(path: string): readonly string[] {
  return readdirSync(path).filter((name) => name.startsWith('.v-'))
}

test('a set is there under its names, for its owner alone', async () => {
  const path = join(temporaryFolder(), 'made')
  const folder = await openFolder(path)
  expect(await folder.replace(pair('1'))).toEqual({ replaced: false })
  expect([read(path, 'key.pem'), read(path, 'cert.pem')]).toEqual(['1', '1'])
  expect(modeOf(path)).toBe('700')
  expect(modeOf(join(path, 'current/.'))).toBe('700')
  expect(modeOf(join(path, 'key.pem'))).toBe('600')
})

test('T16 who has followed the link before a switch still finds what belongs together, and nothing older stays', async () => {
  const path = temporaryFolder()
  const folder = await openFolder(path)
  await folder.replace(pair('1'))
  const behind = join(path, readlinkSync(join(path, 'current')))
  expect(await folder.replace(pair('2'))).toEqual({ replaced: true })
  expect([read(behind, 'key.pem'), read(behind, 'cert.pem')]).toEqual(['1', '1'])
  expect(read(path, 'key.pem')).toBe('2')
  await folder.replace(pair('3'))
  await folder.replace(pair('4'))
  expect(versionsIn(path)).toHaveLength(2)
})

test('a name that is not wanted any more goes, and so does what a crash has left', async () => {
  const path = temporaryFolder()
  await (await openFolder(path)).replace([...pair('1'), fileOf('api.jwt', 'token')])
  mkdirSync(join(path, '.v-0123456789abcdef'))
  symlinkSync('.v-0123456789abcdef', join(path, '.current-new'))
  writeFileSync(join(path, 'note.txt'), 'of the operator')
  await (await openFolder(path)).replace(pair('2'))
  expect(
    readdirSync(path)
      .filter((name) => !name.startsWith('.v-'))
      .sort(),
  ).toEqual(['cert.pem', 'current', 'key.pem', 'note.txt'])
  expect(versionsIn(path)).not.toContain('.v-0123456789abcdef')
})

test('T16 a folder that is a link, another user’s or open to others is refused', async () => {
  const base = temporaryFolder()
  const open = (name: string) =>
    reasonOf(VersionedFolder.open(join(base, name), { fileMode: 0o600 }))
  mkdirSync(join(base, 'real'), { mode: 0o700 })
  symlinkSync('real', join(base, 'link'))
  writeFileSync(join(base, 'file'), '')
  mkdirSync(join(base, 'open'))
  chmodSync(join(base, 'open'), 0o770)
  expect(await open('link')).toBe('files-folder')
  expect(await open('file')).toBe('files-folder')
  expect(await open('open')).toBe('files-folder')
  expect(readdirSync(join(base, 'real'))).toEqual([])
})

test.skipIf(!isRoot)('T16 a folder of another user is refused', async () => {
  const path = temporaryFolder()
  chownSync(path, 65534, 65534)
  expect(await reasonOf(VersionedFolder.open(path, { fileMode: 0o600 }))).toBe('files-folder')
})

test('T16 a folder that is swapped for a link afterwards leads nobody astray', async () => {
  const base = temporaryFolder()
  const [path, victim] = [join(base, 'svid'), join(base, 'victim')]
  const folder = await openFolder(path)
  await folder.replace(pair('1'))
  mkdirSync(victim)
  renameSync(path, join(base, 'moved'))
  symlinkSync('victim', path)
  await folder.replace(pair('2'))
  expect(readdirSync(victim)).toEqual([])
  expect(read(join(base, 'moved'), 'key.pem')).toBe('2')
})

test('T16 a file or a link of somebody else under one of the names stays as it is', async () => {
  const base = temporaryFolder()
  writeFileSync(join(base, 'target'), 'theirs')
  const put = {
    file: (at: string) => writeFileSync(at, 'theirs'),
    link: (at: string) => symlinkSync('../target', at),
  }
  for (const [name, make] of Object.entries(put)) {
    const path = join(base, name)
    mkdirSync(path, { mode: 0o700 })
    make(join(path, 'cert.pem'))
    const folder = await openFolder(path)
    expect(await reasonOf(folder.replace(pair('1')))).toBe('files-in-the-way')
    expect(read(path, 'cert.pem')).toBe('theirs')
    expect(readdirSync(path)).toEqual(['cert.pem'])
  }
  expect(read(base, 'target')).toBe('theirs')
})

test.skipIf(!isRoot)(
  'files are given to whom they are for; folder and links stay ours',
  async () => {
    const path = join(temporaryFolder(), 'svid')
    const folder = await openFolder(path, { fileMode: 0o400, owner: { uid: 65534, gid: 65533 } })
    await folder.replace(pair('1'))
    const key = statSync(join(path, 'key.pem'))
    expect([key.uid, key.gid, modeOf(join(path, 'key.pem'))]).toEqual([65534, 65533, '400'])
    for (const name of ['.', 'current/.']) {
      const { uid, gid } = statSync(join(path, name))
      expect([uid, gid, modeOf(join(path, name))]).toEqual([0, 65533, '750'])
    }
    expect(lstatSync(join(path, 'current')).uid).toBe(0)
  },
)

test('files that the group may read are in a folder that it may look into', async () => {
  const path = join(temporaryFolder(), 'svid')
  await (await openFolder(path, { fileMode: 0o640 })).replace(pair('1'))
  expect(modeOf(path)).toBe('750')
  expect(modeOf(join(path, 'current/.'))).toBe('750')
  expect(modeOf(join(path, 'key.pem'))).toBe('640')
})
