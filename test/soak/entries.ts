import { realpathSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Stand } from '../interop/stand.ts'

/** Gives whoever runs this program an SVID for each of these IDs, and returns when the agent knows. */
export async function register(
  stand: Stand,
  ids: readonly string[],
  executable: string,
  ttlSeconds = 0,
): Promise<void> {
  const [agent] = await stand.operate<{ id: string }[]>('agent', 'list')
  const entries = ids.map((spiffeId) => ({
    spiffeId,
    parentId: agent?.id ?? '',
    selectors: [`unix:path:${realpathSync(executable)}`],
    x509SvidTtlSeconds: ttlSeconds,
  }))
  const file = join(stand.folder, 'entries.json')
  writeFileSync(file, JSON.stringify(entries))
  await stand.operate('entry', 'create', '--wait', '--file', file)
}
