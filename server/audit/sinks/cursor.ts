import { open, readFile, rename } from 'node:fs/promises'

/** How far a sink has got: kept beside the trail, so that a restart goes on there. */
export interface Cursor {
  /** Number of the last record that the sink has; 0: none. */
  read(): Promise<number>
  write(number: number): Promise<void>
}

const pattern = /^([0-9a-f]{32}) (\d{1,15})\n$/

/** `<trail>.sink-NAME`. Of another chain than this, or unreadable as one, it counts as none: all is sent. */
export function openCursor(trailPath: string, name: string, chain: string): Cursor {
  const path = `${trailPath}.sink-${name}`
  return {
    async read() {
      const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return ''
        throw error
      })
      const [, said, number] = pattern.exec(text) ?? []
      return said === chain ? Number(number) : 0
    },
    async write(number) {
      // Not synced: after a loss of power some lines are sent twice, and none is left out.
      const file = await open(`${path}.new`, 'w', 0o600)
      try {
        await file.writeFile(`${chain} ${number}\n`)
      } finally {
        await file.close()
      }
      await rename(`${path}.new`, path)
    },
  }
}
