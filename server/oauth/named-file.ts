import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { CountersignError } from '../../src/errors.ts'
import { checkPrivateFile } from '../../src/runtime/private-file.ts'
import { readUpTo } from '../../src/runtime/read-up-to.ts'
import { fromUtf8 } from '../../src/runtime/utf8.ts'
import { fromPem } from '../../src/x509/pem.ts'

const maxFileBytes = 1 << 20

/** A secret, without blanks around it. Throws `forbidden` `secret-mode` where others may read it, and as `readBounded`. */
export async function readSecret(path: string): Promise<string> {
  const check = async (file: FileHandle): Promise<void> => {
    checkPrivateFile(path, await file.stat(), 'secret-mode')
  }
  return (await readBounded(path, check)).trim()
}

/** A text file of at most 1 MiB of UTF-8, as it is by now. Throws `unavailable` `federated-file`. */
export function readBounded(path: string, check?: CheckFile): Promise<string> {
  return readAs(fromUtf8, path, check)
}

/** The same of PEM, where what stands between the blocks may be in any encoding. */
export function readPem(path: string): Promise<string> {
  return readAs((bytes) => bytes.toString('latin1'), path)
}

type CheckFile = (file: FileHandle) => Promise<void>

async function readAs(
  decode: (bytes: Buffer) => string,
  path: string,
  check?: CheckFile,
): Promise<string> {
  try {
    // A pipe without a writer would not open otherwise; it cannot be read from a place either.
    const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      await check?.(file)
      const bytes = await readUpTo(file, maxFileBytes + 1)
      if (bytes.length > maxFileBytes) throw new RangeError('more than 1 MiB')
      return decode(bytes)
    } finally {
      await file.close()
    }
  } catch (cause) {
    if (cause instanceof CountersignError) throw cause
    throw unusable(
      path,
      'a text file of at most 1 MiB, in UTF-8, that this process may read',
      cause,
    )
  }
}

/** Throws `unavailable` `federated-file` where the file has no certificates. */
export async function checkCertificates(path: string | undefined): Promise<void> {
  if (path === undefined) return
  const blocks = fromPem(await readPem(path))
  if (blocks.some(({ label }) => label === 'CERTIFICATE')) return
  throw unusable(path, 'a file with certificates in PEM')
}

function unusable(path: string, what: string, cause?: unknown): CountersignError {
  return new CountersignError('unavailable', 'a file that the configuration names cannot be used', {
    reason: 'federated-file',
    fix: `let ${path} be ${what}`,
    retryAfterMs: 5000,
    cause,
  })
}
