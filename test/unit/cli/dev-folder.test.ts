import { mkdirSync, mkdtempSync, rmSync, statSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { makeOwnFolder } from '../../../src/cli/dev-folder.ts'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dev-folder-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

test('the folder for the sockets is made with all above it, and closed to others where it was there', () => {
  const folder = join(temporaryFolder(), 'run', 'countersign')
  makeOwnFolder(folder)
  expect(statSync(folder).mode & 0o777).toBe(0o700)
  const open = join(temporaryFolder(), 'open')
  mkdirSync(open, { mode: 0o755 })
  makeOwnFolder(open)
  expect(statSync(open).mode & 0o777).toBe(0o700)
})

test('a link is not followed, and where no folder can be made, that is said at once', () => {
  const link = join(temporaryFolder(), 'link')
  symlinkSync(temporaryFolder(), link)
  expect(() => makeOwnFolder(link)).toThrow(
    expect.objectContaining({ reason: 'socket-folder-foreign' }),
  )
  expect(() => makeOwnFolder('/proc/countersign/run')).toThrow(
    expect.objectContaining({ reason: 'data-folder' }),
  )
})
