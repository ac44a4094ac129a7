import { createHash } from 'node:crypto'
import { join, resolve } from 'node:path'

/**
 * A folder for sockets with a short path and no space in it, whatever the data folder is called: a
 * socket's path has room for 107 bytes. The same data folder always gives the same one.
 */
export function socketFolder(
  dataDir: string,
  env: Readonly<Record<string, string | undefined>>,
  uid: number,
): string {
  const name = createHash('sha256').update(resolve(dataDir)).digest('hex').slice(0, 12)
  const runtimeDir = env['XDG_RUNTIME_DIR']
  return runtimeDir?.startsWith('/') === true && runtimeDir.length < 60
    ? join(runtimeDir, `countersign-${name}`)
    : `/tmp/countersign-${uid}-${name}`
}
