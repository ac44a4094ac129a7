import {
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
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  readPrivateFile,
  removePrivateFile,
  writePrivateFile,
} from '../../../../agent/key-store/private-file.ts'
import { reasonOfAsync } from '../../../support/x509-fixtures.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'private-'))
  path = join(folder, 'file')
})

afterEach(() => rmSync(folder, { recursive: true }))

const read = async () => (await readPrivateFile(path, 100))?.toString()
const write = (text: string) => writePrivateFile(path, Buffer.from(text))

describe('a write', () => {
  test('T21 that was cut off before its rename leaves the old bytes, and the next one works', async () => {
    await write('old')
    // What a crash leaves: part of the new bytes, under the temporary name.
    writeFileSync(`${path}.new`, 'ne', { mode: 0o600 })
    expect(await read()).toBe('old')
    await write('new')
    expect(await read()).toBe('new')
    expect(readdirSync(folder)).toEqual(['file'])
  })

  test('F14 that failed can be made again', async () => {
    await write('old')
    mkdirSync(`${path}.new`)
    expect(await reasonOfAsync(() => write('new'))).toBe('data-unwritable')
    expect(await read()).toBe('old')
    rmSync(`${path}.new`, { recursive: true })
    await write('new')
    expect(await read()).toBe('new')
  })

  test('T15 never goes through what somebody put under the temporary name', async () => {
    const victim = join(folder, 'victim')
    writeFileSync(victim, 'as it was', { mode: 0o644 })
    symlinkSync(victim, `${path}.new`)
    await write('ours')
    expect(readFileSync(victim, 'utf8')).toBe('as it was')
    expect(await read()).toBe('ours')
  })

  test('T22 is 0600 whatever the umask and the mode of a file before', async () => {
    const before = process.umask(0)
    try {
      writeFileSync(path, 'loose', { mode: 0o666 })
      await write('ours')
    } finally {
      process.umask(before)
    }
    expect(statSync(path).mode & 0o777).toBe(0o600)
  })
})

describe('a read', () => {
  test('takes no more than the bound', async () => {
    await write('x'.repeat(100))
    expect((await read())?.length).toBe(100)
    await write('x'.repeat(101))
    expect(await reasonOfAsync(read)).toBe('data-file')
  })

  test('of what is not there gives nothing, and removing it is no error', async () => {
    expect(await read()).toBeUndefined()
    await removePrivateFile(path)
    await write('x')
    writeFileSync(`${path}.new`, 'unfinished', { mode: 0o600 })
    await removePrivateFile(path)
    expect(readdirSync(folder)).toEqual([])
  })

  test('T15 of a folder, or of a link to a good file, is refused', async () => {
    mkdirSync(path, { mode: 0o700 })
    expect(await reasonOfAsync(read)).toBe('data-mode')
    rmSync(path, { recursive: true })
    writeFileSync(join(folder, 'good'), 'good', { mode: 0o600 })
    symlinkSync(join(folder, 'good'), path)
    expect(await reasonOfAsync(read)).toBe('data-mode')
  })
})
