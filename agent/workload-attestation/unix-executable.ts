import { readlinkSync, statSync } from 'node:fs'
import type { Selector } from '../../src/entry/entry.ts'
import { CountersignError } from '../../src/errors.ts'
import type { FileIdentity, WorkloadAttestor } from './attestor.ts'
import { type FileHashes, fileHashes } from './file-hash.ts'

export interface UnixExecutableOptions {
  /** As SPIRE's `workload_size_limit`: 0 stands for no limit, less than 0 for no hash at all. */
  readonly workloadSizeLimitBytes?: number
  readonly hashes?: FileHashes
}

/**
 * `unix:path:` and `unix:sha256:` of the program that runs; only where configured
 * (`discover_workload_path`), since it needs the right to look into other users' processes.
 *
 * A path is given only where it names, in the agent's own view of the file system, the very file
 * that runs: a process can choose what is mounted where in a mount namespace of its own.
 */
export function unixExecutableAttestor(options: UnixExecutableOptions = {}): WorkloadAttestor {
  const limit = options.workloadSizeLimitBytes ?? 0
  const hashes = options.hashes ?? fileHashes({ maxFileBytes: Math.max(limit, 0) })
  return {
    type: 'unix-executable',
    async attest(process, { signal }) {
      if (process.executable === undefined) {
        throw new CountersignError('unavailable', 'the executable of the caller cannot be seen', {
          reason: 'executable-invisible',
          fix: 'run the agent as root or with CAP_SYS_PTRACE',
        })
      }
      const link = `/proc/${process.pid}/exe`
      const selectors: Selector[] = []
      const path = ownPathOf(link, process.executable)
      if (path !== undefined) selectors.push({ type: 'unix', value: `path:${path}` })
      if (limit >= 0) {
        const hash = await hashes.sha256(link, process.executable, process.uid, signal)
        selectors.push({ type: 'unix', value: `sha256:${hash}` })
      }
      return selectors
    },
  }
}

function ownPathOf(link: string, executable: FileIdentity): string | undefined {
  const path = readlinkSync(link)
  try {
    const stats = statSync(path, { bigint: true })
    return stats.dev === executable.device && stats.ino === executable.inode ? path : undefined
  } catch {
    return undefined
  }
}
