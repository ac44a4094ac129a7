import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readlink,
  rename,
  rm,
  symlink,
  unlink,
} from 'node:fs/promises'
import { CountersignError } from '../errors.ts'
import type { SetFile } from './file-set.ts'

/** Who may read the files. The folder and the links in it are ours, so that nobody else can move them. */
export interface Access {
  /** 0o600, 0o640, or the same without the right to write. */
  readonly fileMode: number
  /** Whom the files are given to; its group may look into the folder. */
  readonly owner?: { readonly uid: number; readonly gid: number } | undefined
}

const currentLink = 'current'
const draftLink = '.current-new'
const versionName = /^\.v-[0-9a-f]{16}$/
const directory = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW

/**
 * A folder whose files are replaced all at once:
 *
 *     .v-4f…/key.pem      the files of one version, in a folder that is never written again
 *     current → .v-4f…    the one link whose renaming is the switch
 *     key.pem → current/key.pem
 *
 * Whoever follows `current` once and opens what is behind it has files that belong together. The
 * version before stays until the next switch, for those that have followed the link already. All is
 * done below the descriptor of the folder that was checked: what its path leads to later does not matter.
 */
export class VersionedFolder implements AsyncDisposable {
  readonly #folder: FileHandle
  readonly #access: Access

  private constructor(folder: FileHandle, access: Access) {
    this.#folder = folder
    this.#access = access
  }

  /**
   * Makes the folder where it is not there, but none above it. Throws `forbidden` / `files-folder` where it is a link or no
   * folder, not ours, or others may write to it; `unavailable` / `files-unwritable`.
   */
  static async open(path: string, access: Access): Promise<VersionedFolder> {
    const made = await mkdir(path, { mode: 0o700 }).then(
      () => true,
      (cause) => {
        if (cause.code === 'EEXIST') return false
        throw unwritable(path, cause)
      },
    )
    const folder = await open(path, directory).catch((cause) => {
      if (cause.code === 'ELOOP' || cause.code === 'ENOTDIR') throw refused(path, 'is no folder')
      throw unwritable(path, cause)
    })
    try {
      if (made) await give(folder, folderMode(access), undefined, access.owner?.gid)
      const { uid, mode } = await folder.stat()
      if (uid !== process.geteuid?.()) throw refused(path, 'belongs to another user')
      if ((mode & 0o022) !== 0)
        throw refused(path, 'can be written by others', `chmod go-w ${path}`)
      return new VersionedFolder(folder, access)
    } catch (error) {
      await folder.close()
      throw error instanceof CountersignError ? error : unwritable(path, error)
    }
  }

  /**
   * Switches to these files, and says whether there were others before. Throws `forbidden` /
   * `files-in-the-way` where somebody else's file has one of the names, `unavailable` /
   * `files-unwritable`; the files that were there stay then.
   */
  async replace(files: readonly SetFile[]): Promise<{ readonly replaced: boolean }> {
    try {
      const before = await linkOf(this.#at(currentLink))
      const missing = await this.#missingLinks(files)
      const version = `.v-${randomBytes(8).toString('hex')}`
      await this.#removeVersions([before])
      await this.#write(version, files)
      await rm(this.#at(draftLink), { force: true })
      await symlink(version, this.#at(draftLink))
      await rename(this.#at(draftLink), this.#at(currentLink))
      for (const name of missing) await symlink(`${currentLink}/${name}`, this.#at(name))
      await this.#removeLinksBut(files)
      await this.#folder.sync()
      return { replaced: before !== undefined }
    } catch (error) {
      throw error instanceof CountersignError ? error : unwritable('the folder', error)
    }
  }

  /** Replaces one more file, that is no part of the set, with something that is no secret. */
  async put(name: string, content: string): Promise<void> {
    const draft = this.#at(`${name}-new`)
    await rm(draft, { force: true })
    await writeNew(draft, Buffer.from(content), { ...this.#access, fileMode: 0o640 })
    await rename(draft, this.#at(name))
  }

  close(): Promise<void> {
    return this.#folder.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** The name below the folder that was checked, whatever its path leads to by now. */
  #at(name: string): string {
    return below(this.#folder, name)
  }

  async #write(version: string, files: readonly SetFile[]): Promise<void> {
    await mkdir(this.#at(version), { mode: 0o700 })
    const folder = await open(this.#at(version), directory)
    try {
      for (const { name, content } of files) {
        await writeNew(below(folder, name), content, this.#access)
      }
      await give(folder, folderMode(this.#access), undefined, this.#access.owner?.gid)
      await folder.sync()
    } finally {
      await folder.close()
    }
  }

  async #missingLinks(files: readonly SetFile[]): Promise<readonly string[]> {
    const missing: string[] = []
    for (const { name } of files) {
      const target = await linkOf(this.#at(name))
      if (target === undefined) missing.push(name)
      else if (target !== `${currentLink}/${name}`) throw inTheWay(name)
    }
    return missing
  }

  /** Links of ours to files that are not wanted any more. */
  async #removeLinksBut(files: readonly SetFile[]): Promise<void> {
    const wanted = new Set(files.map(({ name }) => name))
    for (const entry of await readdir(this.#at('.'), { withFileTypes: true })) {
      if (!entry.isSymbolicLink() || wanted.has(entry.name)) continue
      const target = await linkOf(this.#at(entry.name))
      if (target === `${currentLink}/${entry.name}`) await unlink(this.#at(entry.name))
    }
  }

  async #removeVersions(kept: readonly (string | undefined)[]): Promise<void> {
    for (const name of await readdir(this.#at('.'))) {
      if (versionName.test(name) && !kept.includes(name)) {
        await rm(this.#at(name), { recursive: true, force: true })
      }
    }
  }
}

/** Node has no `openat`; Linux has this. */
function below(folder: FileHandle, name: string): string {
  return `/proc/self/fd/${folder.fd}/${name}`
}

async function writeNew(path: string, content: Buffer, access: Access): Promise<void> {
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(content)
    await give(file, access.fileMode, access.owner?.uid, access.owner?.gid)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** The owner first: to change it afterwards could take bits of the mode away. */
async function give(
  handle: FileHandle,
  mode: number,
  uid: number | undefined,
  gid: number | undefined,
): Promise<void> {
  if (uid !== undefined || gid !== undefined) {
    const now = await handle.stat()
    await handle.chown(uid ?? now.uid, gid ?? now.gid)
  }
  await handle.chmod(mode)
}

/** Whoever may read the files has to get to them. */
function folderMode({ fileMode, owner }: Access): number {
  return (fileMode & 0o040) !== 0 || owner !== undefined ? 0o750 : 0o700
}

/** Where a link leads; undefined where there is nothing. */
async function linkOf(path: string): Promise<string | undefined> {
  try {
    return await readlink(path)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'ENOENT') return undefined
    if (code === 'EINVAL') throw inTheWay(path.slice(path.lastIndexOf('/') + 1))
    throw error
  }
}

function inTheWay(name: string): CountersignError {
  return new CountersignError('forbidden', `${name} is there already, and is not ours`, {
    reason: 'files-in-the-way',
    fix: 'look whose it is; then remove it, or choose another name or folder',
  })
}

function refused(path: string, what: string, fix = 'choose another --dir'): CountersignError {
  return new CountersignError('forbidden', `${path} ${what}`, { reason: 'files-folder', fix })
}

function unwritable(path: string, cause: unknown): CountersignError {
  const error = cause as NodeJS.ErrnoException
  return new CountersignError('unavailable', `cannot write ${path}: ${error.code ?? 'failed'}`, {
    reason: 'files-unwritable',
    fix:
      error.code === 'EPERM'
        ? 'to give files to another user run it as root, or with CAP_CHOWN'
        : 'look at the space, the owner and the mode of the folder',
    cause,
  })
}
