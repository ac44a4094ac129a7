import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { openPrivateFolder } from '../../../src/runtime/private-folder.ts'
import { reasonOf } from '../../support/x509-fixtures.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'private-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

test('T22 a folder is made 0700 with all above it, whatever the umask, and opened again', () => {
  const path = join(temporaryFolder(), 'a', 'b')
  const before = process.umask(0)
  try {
    openPrivateFolder(path)
  } finally {
    process.umask(before)
  }
  for (const made of [path, join(path, '..')]) expect(statSync(made).mode & 0o777).toBe(0o700)
  openPrivateFolder(path)
  chmodSync(path, 0o701)
  expect(() => openPrivateFolder(path)).toThrow(
    expect.objectContaining({ fix: `chmod 700 ${path}` }),
  )
})

test('what cannot be made says so, a name that a file has, and one in a file system without folders of ours', () => {
  const path = join(temporaryFolder(), 'file')
  writeFileSync(path, '')
  expect(reasonOf(() => openPrivateFolder(path))).toBe('data-mode')
  expect(reasonOf(() => openPrivateFolder(join(path, 'below')))).toBe('data-folder')
  expect(reasonOf(() => openPrivateFolder('/proc/countersign/data'))).toBe('data-folder')
})
