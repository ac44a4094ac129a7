import { constants } from 'node:fs'
import { open } from 'node:fs/promises'

/** Makes new names in the folder last through a loss of power. Throws what the file system throws. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}
