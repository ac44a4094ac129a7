import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CountersignError } from '../errors.ts'

const tmpfs = 0x01021994

/**
 * A new folder, 0700, in memory where the machine has such a place; it is gone when this process ends,
 * but for SIGKILL. Throws `unavailable` / `files-unwritable`.
 */
export function makePrivateFolder(env: Readonly<Record<string, string | undefined>>): string {
  let cause: unknown
  for (const place of places(env)) {
    try {
      const folder = mkdtempSync(join(place, 'countersign-exec-'))
      process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
      return folder
    } catch (error) {
      cause = error
    }
  }
  throw new CountersignError('unavailable', 'there is no place for a private folder', {
    reason: 'files-unwritable',
    fix: 'set TMPDIR to a folder that this user may write to',
    cause,
  })
}

function places(env: Readonly<Record<string, string | undefined>>): readonly string[] {
  const inMemory = [env['XDG_RUNTIME_DIR'], '/dev/shm'].filter(
    (place): place is string => place?.startsWith('/') === true && isInMemory(place),
  )
  return [...inMemory, tmpdir()]
}

function isInMemory(place: string): boolean {
  try {
    return statfsSync(place).type === tmpfs
  } catch {
    return false
  }
}
