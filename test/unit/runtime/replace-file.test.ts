import fs, { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { replaceFile } from '../../../src/runtime/replace-file.ts'

test('F14 a file is replaced whole, and its name is on disk when that is said', () => {
  const folder = mkdtempSync(join(tmpdir(), 'replace-'))
  const [fsync, rename] = [vi.spyOn(fs, 'fsyncSync'), vi.spyOn(fs, 'renameSync')]
  syncBuiltinESMExports()
  onTestFinished(() => {
    vi.restoreAllMocks()
    syncBuiltinESMExports()
    rmSync(folder, { recursive: true })
  })
  const path = join(folder, 'state')
  for (const text of ['a longer text', 'short']) {
    replaceFile(path, text)
    expect(readFileSync(path, 'utf8')).toBe(text)
  }
  expect([readdirSync(folder), statSync(path).mode & 0o777]).toEqual([['state'], 0o600])
  // What a rename has done is not on disk before its folder is.
  expect(fsync.mock.invocationCallOrder.at(-1)).toBeGreaterThan(
    rename.mock.invocationCallOrder.at(-1) ?? Infinity,
  )
})
