import { constants } from 'node:fs'
import { access, open, readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CountersignError } from '../errors.ts'
import { readUpTo } from '../runtime/read-up-to.ts'
import { fromUtf8 } from '../runtime/utf8.ts'
import { type PolicyFile, policyRevision } from './policy-set.ts'

export interface PolicyFolder {
  readonly files: readonly PolicyFile[]
  /** SHA-256 of names and texts, lower-case hex. */
  readonly revision: string
}

const maxFiles = 256
const maxFileBytes = 256 << 10

/**
 * The files `*.cedar` of a folder, in the order of their names; folders in it are not looked at. Throws
 * `invalid`: `policy-folder`, `policy-folder-empty`, `policy-files`, `policy-file-large`, `policy-file-text`;
 * `forbidden`: `policy-file-mode`, of a file, or of the folder, that everybody may write.
 */
export async function readPolicyFolder(folder: string): Promise<PolicyFolder> {
  const names = await namesIn(folder)
  if (names.length === 0) {
    // What somebody is about to fill would take every token away meanwhile.
    throw new CountersignError('invalid', `there are no *.cedar files in ${folder}`, {
      reason: 'policy-folder-empty',
      fix: 'to permit nothing, put an empty file all.cedar there',
    })
  }
  if (names.length > maxFiles) refuse('policy-files', `more than ${maxFiles} files in ${folder}`)
  const files: PolicyFile[] = []
  for (const name of names) files.push({ name, text: await readPolicyFile(join(folder, name)) })
  return { files, revision: policyRevision(files) }
}

async function namesIn(folder: string): Promise<readonly string[]> {
  try {
    const [names, found] = await Promise.all([readdir(folder), stat(folder)])
    if (!(await isReadOnly(folder))) refuseLoose(folder, found)
    return names.filter((name) => name.endsWith('.cedar') && !name.startsWith('.')).sort()
  } catch (cause) {
    if (cause instanceof CountersignError) throw cause
    return refuse('policy-folder', unreadable(folder, cause), cause)
  }
}

/** Of a ConfigMap's folder the mode is 0777, and its mount lets nobody write it. */
async function isReadOnly(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => false,
    ({ code }: NodeJS.ErrnoException) => code === 'EROFS',
  )
}

function unreadable(folder: string, cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  if (code === 'ENOTDIR') return `${folder} is no folder`
  if (code === 'ENOENT') return `there is no folder ${folder}`
  return `the folder of policies ${folder} cannot be read`
}

async function readPolicyFile(path: string): Promise<string> {
  // A pipe without a writer would not open otherwise, and nothing would be looked at any more.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) =>
    refuse('policy-folder', `${path} cannot be read`, cause),
  )
  try {
    const found = await file.stat()
    if (!found.isFile()) refuse('policy-folder', `${path} is no file`)
    refuseLoose(path, found)
    const bytes = await readUpTo(file, maxFileBytes + 1)
    // By what was read, however long it was before: the part of a file may lack the policy that forbids.
    if (bytes.length > maxFileBytes) {
      refuse('policy-file-large', `${path} has more than ${maxFileBytes} bytes`)
    }
    return textOf(path, bytes)
  } finally {
    await file.close()
  }
}

/** Whoever may write it says who gets tokens; in a folder that is a file of his own. */
function refuseLoose(path: string, { mode }: { readonly mode: number }): void {
  if ((mode & 0o002) === 0) return
  throw new CountersignError('forbidden', `everybody may write ${path}`, {
    reason: 'policy-file-mode',
    fix: `chmod o-w ${path}`,
  })
}

/** With other signs in place of those that cannot be read, what forbids would name nobody that there is. */
function textOf(path: string, bytes: Buffer): string {
  try {
    return fromUtf8(bytes)
  } catch (cause) {
    throw new CountersignError('invalid', `${path} is not UTF-8`, {
      reason: 'policy-file-text',
      fix: 'save it as UTF-8',
      cause,
    })
  }
}

function refuse(reason: string, message: string, cause?: unknown): never {
  throw new CountersignError('invalid', message, {
    reason,
    fix: 'name a folder of *.cedar files that this process may read',
    cause,
  })
}
