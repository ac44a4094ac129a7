import type { FileHandle } from 'node:fs/promises'

/**
 * The first bytes of a file. Some file systems give less at a time than was asked for, and than there is; half a file is
 * another one.
 */
export async function readUpTo(file: FileHandle, most: number): Promise<Buffer> {
  const bytes = Buffer.alloc(most)
  for (let size = 0; ; ) {
    const { bytesRead } = await file.read(bytes, size, most - size, size)
    size += bytesRead
    if (bytesRead === 0 || size === most) return bytes.subarray(0, size)
  }
}
