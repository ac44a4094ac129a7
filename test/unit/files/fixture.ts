import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { checkNames, type FileNames } from '../../../src/files/file-set.ts'
import { type Access, VersionedFolder } from '../../../src/files/folder.ts'

export const names: FileNames = checkNames({
  key: 'key.pem',
  cert: 'cert.pem',
  bundle: 'bundle.pem',
  combined: 'combined.pem',
  jwts: [],
})

/** A folder of one's own, 0700, that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'files-'))
  chmodSync(folder, 0o700)
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

export async function openFolder(
  path: string,
  access: Access = { fileMode: 0o600 },
): Promise<VersionedFolder> {
  const folder = await VersionedFolder.open(path, access)
  onTestFinished(() => folder.close())
  return folder
}

export function fileOf(name: string, content: string): { name: string; content: Buffer } {
  return { name, content: Buffer.from(content) }
}

export function read(folder: string, name: string): string {
  return readFileSync(join(folder, name), 'utf8')
}
