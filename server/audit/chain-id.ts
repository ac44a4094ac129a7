import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncFolder } from '../../src/runtime/sync-folder.ts'
import { checkFile } from './trail-file.ts'

/**
 * The name of this server's chain in a store that several servers share: 128 random bits in hex, kept
 * in a file beside the trail. Where that is gone, the chain gets a new name and is copied again. Throws as `checkFile`.
 */
export async function loadChainId(trailPath: string): Promise<string> {
  try {
    const text = (await readPrivate(`${trailPath}.id`)).trim()
    if (/^[0-9a-f]{32}$/.test(text)) return text
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  return renewChainId(trailPath)
}

async function readPrivate(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    await checkFile(file, path)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

/** A name that no copy knows: for a trail that does not go on where its copy ends. */
export async function renewChainId(trailPath: string): Promise<string> {
  const path = `${trailPath}.id`
  const id = randomBytes(16).toString('hex')
  await rm(path, { force: true })
  const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
  try {
    await file.writeFile(`${id}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await syncFolder(dirname(path))
  return id
}
