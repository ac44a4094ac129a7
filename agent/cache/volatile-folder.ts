import { createHash } from 'node:crypto'
import { lstat, mkdir, statfs } from 'node:fs/promises'
import { join } from 'node:path'

// What Linux calls file systems that live in memory (statfs(2)).
const inMemory: ReadonlySet<number> = new Set([0x01021994 /* tmpfs */, 0x858458f6 /* ramfs */])

/**
 * A folder of our own that a reboot forgets, one for each data folder; undefined where this machine
 * has none. Only there a key may lie beside what it seals. `runtimeDir` is `XDG_RUNTIME_DIR`.
 */
export async function volatileFolder(options: {
  readonly dataDir: string
  readonly runtimeDir: string | undefined
}): Promise<string | undefined> {
  const uid = process.geteuid?.()
  if (uid === undefined) return undefined
  const hash = createHash('sha256').update(options.dataDir).digest('hex').slice(0, 16)
  const places: string[] = []
  if (options.runtimeDir?.startsWith('/')) {
    places.push(join(options.runtimeDir, `countersign-${hash}`))
  }
  places.push(join('/dev/shm', `countersign-${uid}-${hash}`))
  for (const path of places) if (await isOurs(path, uid)) return path
  return undefined
}

/** Makes the folder where it is not there. Whoever made it, it must be ours, private, and in memory. */
async function isOurs(path: string, uid: number): Promise<boolean> {
  try {
    await mkdir(path, { mode: 0o700 }).catch((error) => {
      if (error.code !== 'EEXIST') throw error
    })
    const stat = await lstat(path)
    const { type } = await statfs(path)
    return stat.isDirectory() && stat.uid === uid && (stat.mode & 0o077) === 0 && inMemory.has(type)
  } catch {
    return false
  }
}
