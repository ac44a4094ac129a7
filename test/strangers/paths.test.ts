import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runHere } from '../support/command.ts'
import { temporaryFolder } from '../unit/agent/workload-endpoint/fixture.ts'

const isRoot = process.getuid?.() === 0
const nobody = 65_534

/** What somebody has put in the agent's way. `base` is an empty folder of ours. */
interface Trap {
  readonly socket?: (base: string) => string
  readonly dataDir?: (base: string) => string
  readonly reason: string
  readonly asRoot?: true
}

const linkTo = (target: string) => (base: string) => {
  const path = join(base, 'link.sock')
  symlinkSync(target.replace('BASE', base), path)
  return path
}
const inFolder = (prepare: (folder: string) => void) => (base: string) => {
  const folder = join(base, 'folder')
  mkdirSync(folder)
  prepare(folder)
  return join(folder, 's.sock')
}

const traps: Readonly<Record<string, Trap>> = {
  'a symbolic link to a file': { socket: linkTo('BASE/target'), reason: 'socket-is-symlink' },
  'a symbolic link to nowhere': { socket: linkTo('BASE/nowhere'), reason: 'socket-is-symlink' },
  'a file': { socket: (base) => join(base, 'target'), reason: 'socket-not-a-socket' },
  'a folder': {
    socket(base) {
      mkdirSync(join(base, 'folder'))
      return join(base, 'folder')
    },
    reason: 'socket-not-a-socket',
  },
  'a fifo': {
    socket(base) {
      spawnSync('mkfifo', [join(base, 'fifo')])
      return join(base, 'fifo')
    },
    reason: 'socket-not-a-socket',
  },
  'a folder that all can write to': {
    socket: inFolder((folder) => chmodSync(folder, 0o777)),
    reason: 'socket-folder-writable',
  },
  // One of another user than root is no better than one that is not sticky.
  'a sticky folder of all': {
    socket: inFolder((folder) => chmodSync(folder, 0o1777)),
    reason: isRoot ? 'socket-folder-sticky' : 'socket-folder-writable',
  },
  'links in a circle': {
    socket(base) {
      symlinkSync('round', join(base, 'round'))
      return join(base, 'round', 's.sock')
    },
    reason: 'socket-folder-links',
  },
  'a folder of another user': {
    socket: inFolder((folder) => chownSync(folder, nobody, nobody)),
    reason: 'socket-folder-foreign',
    asRoot: true,
  },
  'a data folder that is a link': {
    dataDir(base) {
      mkdirSync(join(base, 'real'), { mode: 0o700 })
      symlinkSync('real', join(base, 'data'))
      return join(base, 'data')
    },
    reason: 'data-mode',
  },
  'a data folder that others can read': {
    dataDir(base) {
      mkdirSync(join(base, 'data'))
      chmodSync(join(base, 'data'), 0o755)
      return join(base, 'data')
    },
    reason: 'data-mode',
  },
  'a data folder of another user': {
    dataDir(base) {
      mkdirSync(join(base, 'data'), { mode: 0o700 })
      chownSync(join(base, 'data'), nobody, nobody)
      return join(base, 'data')
    },
    reason: 'data-mode',
    asRoot: true,
  },
}

describe('T15 an agent does not start where somebody has prepared its paths', () => {
  for (const [name, { socket, dataDir, reason, asRoot }] of Object.entries(traps)) {
    test.skipIf(asRoot === true && !isRoot)(`T15 ${name}`, async () => {
      const base = temporaryFolder()
      writeFileSync(join(base, 'target'), 'precious')
      const path = socket?.(base) ?? join(base, 'public', 's.sock')
      const before = socket === undefined ? undefined : kindOf(path)
      const config = join(base, 'agent.yaml')
      const lines = [
        'trust_domain: example.org',
        'server_address: 127.0.0.1:9',
        `data_dir: ${dataDir?.(base) ?? join(base, 'data')}`,
        `socket: ${path}`,
        'insecure_bootstrap: true',
      ]
      writeFileSync(config, lines.join('\n'), { mode: 0o600 })
      const { code, stderr } = await runHere(['agent', 'run', '--config', config])
      expect({ code, stderr }).toEqual({
        code: reason === 'data-mode' ? 78 : 77,
        stderr: expect.stringMatching(new RegExp(`error\\[${reason}\\]: .*\\n  fix: .`)),
      })
      expect(kindOf(path)).toBe(before)
      expect(readFileSync(join(base, 'target'), 'utf8')).toBe('precious')
    })
  }
})

function kindOf(path: string): number | undefined {
  try {
    return lstatSync(path).mode
  } catch {
    return undefined
  }
}
