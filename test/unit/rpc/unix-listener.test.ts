import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { listenUnix, type UnixListener } from '../../../src/rpc/unix-listener.ts'

const isRoot = process.getuid?.() === 0
const nobody = 65534

function folder(): string {
  const path = mkdtempSync('/tmp/csgn-')
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

async function listen(
  path: string,
  options: Partial<Parameters<typeof listenUnix>[0]> = {},
): Promise<UnixListener> {
  const listener = await listenUnix({
    path,
    mode: 0o600,
    onConnection: (socket) => socket.end('hello'),
    ...options,
  })
  onTestFinished(() => listener.close())
  return listener
}

function hear(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let heard = ''
    connect(path)
      .on('data', (chunk) => {
        heard += chunk
      })
      .on('end', () => resolve(heard))
      .on('error', reject)
  })
}

/** A socket file that no process listens on any more. */
async function leaveStale(path: string): Promise<void> {
  const server: Server = createServer()
  await new Promise<void>((resolve) => server.listen(`${path}.x`, resolve))
  spawnSync('mv', [`${path}.x`, path])
  await new Promise((resolve) => server.close(resolve))
}

describe('a socket', () => {
  test('answers, has its mode, and is gone after close', async () => {
    const path = join(folder(), 's.sock')
    const listener = await listen(path, { mode: 0o777 })
    expect(await hear(path)).toBe('hello')
    expect(lstatSync(path).mode & 0o777).toBe(0o777)
    expect(existsSync(join(path, '..', '.s.sock.new'))).toBe(false)
    await listener.close()
    expect(existsSync(path)).toBe(false)
  })

  test('gets its folder where that is asked for', async () => {
    const path = join(folder(), 'sub', 's.sock')
    await expect(listen(path)).rejects.toMatchObject({
      reason: 'socket-folder-missing',
      message: `the folder ${dirname(path)} of ${path} does not exist`,
    })
    await listen(path, { folderMode: 0o700 })
    expect(lstatSync(join(path, '..')).mode & 0o777).toBe(0o700)
  })

  test('whose folder cannot be made says how it can be', async () => {
    // Not even by root.
    const path = '/proc/countersign/s.sock'
    await expect(listen(path, { folderMode: 0o755 })).rejects.toMatchObject({
      reason: 'socket-unusable',
      fix: `make it as root: install -d -m 0755 -o ${process.geteuid?.()} /proc/countersign`,
    })
  })

  test('gets its folder in a sticky one', async () => {
    const sub = `/tmp/csgn-new-${process.pid}`
    onTestFinished(() => rmSync(sub, { recursive: true, force: true }))
    await listen(join(sub, 's.sock'), { folderMode: 0o755 })
    expect(await hear(join(sub, 's.sock'))).toBe('hello')
  })

  test('is for those whom admit lets in', async () => {
    const path = join(folder(), 's.sock')
    const seen: number[] = []
    await listen(path, {
      admit: (peer) => {
        seen.push(peer.pid, peer.uid)
        return false
      },
    })
    expect(await hear(path).catch(() => '')).toBe('')
    expect(seen).toEqual([process.pid, process.getuid?.()])
  })

  test('leaves the connections open that it has, until it is closed', async () => {
    const path = join(folder(), 's.sock')
    const listener = await listen(path, { onConnection: () => {} })
    const client = connect(path)
    await new Promise((resolve) => client.once('connect', resolve))
    listener.stop()
    await expect(hear(path)).rejects.toMatchObject({ code: 'ENOENT' })
    const closed = new Promise((resolve) => client.once('close', resolve))
    client.resume()
    await listener.close()
    await closed
    expect(listener.connections).toBe(0)
  })

  test('of a dead process is replaced', async () => {
    const path = join(folder(), 's.sock')
    await leaveStale(path)
    expect(lstatSync(path).isSocket()).toBe(true)
    await listen(path)
    expect(await hear(path)).toBe('hello')
  })

  test('left half made by a dead process is replaced', async () => {
    const path = join(folder(), 's.sock')
    await leaveStale(join(path, '..', '.s.sock.new'))
    await listen(path)
    expect(await hear(path)).toBe('hello')
  })

  test('of a living process is left alone', async () => {
    const path = join(folder(), 's.sock')
    await listen(path)
    await expect(listen(path)).rejects.toMatchObject({ code: 'conflict', reason: 'socket-in-use' })
    expect(await hear(path)).toBe('hello')
  })

  test('is given to one at most of many that start together', async () => {
    const path = join(folder(), 's.sock')
    await leaveStale(path)
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => listen(path)))
    const reasons = results.flatMap((result) =>
      result.status === 'rejected' ? [result.reason.reason] : [],
    )
    expect(new Set(reasons)).toEqual(new Set(['socket-in-use']))
    expect(reasons.length).toBeGreaterThanOrEqual(9)
    if (reasons.length === 9) expect(await hear(path)).toBe('hello')
  })

  test('that took the place of ours meanwhile is not removed at close', async () => {
    const path = join(folder(), 's.sock')
    const listener = await listen(path)
    rmSync(path)
    await listen(path)
    await listener.close()
    expect(await hear(path)).toBe('hello')
  })
})

describe('a path', () => {
  test('of 107 bytes is the longest, its second name included', async () => {
    const base = folder()
    const name = (length: number): string =>
      join(base, 'x'.repeat(length - base.length - 1 - '.'.length - '.new'.length))
    const listener = await listen(name(107))
    expect(existsSync(listener.path)).toBe(true)
    await expect(listen(name(108))).rejects.toMatchObject({ reason: 'socket-path-too-long' })
    await expect(listen(join(base, 'é'.repeat(60)))).rejects.toMatchObject({
      reason: 'socket-path-too-long',
    })
  })

  test('must be absolute and name a file', async () => {
    await expect(listen('s.sock')).rejects.toMatchObject({ reason: 'socket-path-relative' })
    await expect(listen('/tmp/x/')).rejects.toMatchObject({ reason: 'socket-path-folder' })
  })
})

describe('T15 what stands in the way is refused and left as it was', () => {
  test('a symbolic link, also one that leads nowhere', async () => {
    const base = folder()
    const target = join(base, 'target')
    writeFileSync(target, 'precious')
    for (const leadsTo of [target, join(base, 'nowhere')]) {
      const path = join(base, `link-${leadsTo.length}`)
      symlinkSync(leadsTo, path)
      await expect(listen(path)).rejects.toMatchObject({ reason: 'socket-is-symlink' })
      expect(readlinkSync(path)).toBe(leadsTo)
    }
    expect(readFileSync(target, 'utf8')).toBe('precious')
  })

  test('a file, a folder and a fifo', async () => {
    const base = folder()
    writeFileSync(join(base, 'file'), 'precious')
    mkdirSync(join(base, 'folder'))
    spawnSync('mkfifo', [join(base, 'fifo')])
    for (const name of ['file', 'folder', 'fifo']) {
      await expect(listen(join(base, name))).rejects.toMatchObject({
        code: 'forbidden',
        reason: 'socket-not-a-socket',
      })
      expect(lstatSync(join(base, name)).isSocket()).toBe(false)
    }
    expect(readFileSync(join(base, 'file'), 'utf8')).toBe('precious')
  })

  test('a file where the second name should stand', async () => {
    const base = folder()
    writeFileSync(join(base, '.s.sock.new'), 'precious')
    await expect(listen(join(base, 's.sock'))).rejects.toMatchObject({
      reason: 'socket-not-a-socket',
    })
  })

  test('a folder that others can write to', async () => {
    for (const mode of [0o777, 0o770, 0o707]) {
      const base = folder()
      chmodSync(base, mode)
      await expect(listen(join(base, 's.sock'))).rejects.toMatchObject({
        reason: 'socket-folder-writable',
      })
      mkdirSync(join(base, 'own'), { mode: 0o700 })
      await expect(listen(join(base, 'own', 's.sock'))).rejects.toMatchObject({
        reason: 'socket-folder-writable',
      })
    }
  })

  test('a sticky folder as its own, while below it one of ours will do', async () => {
    await expect(listen(`/tmp/csgn-${process.pid}.sock`)).rejects.toMatchObject({
      reason: 'socket-folder-sticky',
    })
    await listen(join(folder(), 's.sock'))
  })

  test('a link of ours to a safe folder is followed, and the target counts', async () => {
    const base = folder()
    mkdirSync(join(base, 'real'))
    symlinkSync('real', join(base, 'link'))
    await listen(join(base, 'link', 's.sock'))
    const loose = folder()
    chmodSync(loose, 0o777)
    symlinkSync(loose, join(base, 'to-loose'))
    await expect(listen(join(base, 'to-loose', 's.sock'))).rejects.toMatchObject({
      reason: 'socket-folder-writable',
    })
    symlinkSync('round', join(base, 'round'))
    await expect(listen(join(base, 'round', 's.sock'))).rejects.toMatchObject({
      reason: 'socket-folder-links',
    })
  })

  test.skipIf(!isRoot)('a socket of another user', async () => {
    const path = join(folder(), 's.sock')
    await leaveStale(path)
    chownSync(path, nobody, nobody)
    await expect(listen(path)).rejects.toMatchObject({ reason: 'socket-foreign' })
    expect(lstatSync(path).uid).toBe(nobody)
  })

  test.skipIf(!isRoot)('a folder or a link of another user', async () => {
    const base = folder()
    mkdirSync(join(base, 'theirs'))
    chownSync(join(base, 'theirs'), nobody, nobody)
    mkdirSync(join(base, 'theirs', 'ours'))
    for (const path of [join(base, 'theirs', 's.sock'), join(base, 'theirs', 'ours', 's.sock')]) {
      await expect(listen(path)).rejects.toMatchObject({ reason: 'socket-folder-foreign' })
    }
    mkdirSync(join(base, 'real'))
    symlinkSync(join(base, 'real'), join(base, 'link'))
    spawnSync('chown', ['-h', String(nobody), join(base, 'link')])
    await expect(listen(join(base, 'link', 's.sock'))).rejects.toMatchObject({
      reason: 'socket-folder-foreign',
    })
  })

  test.skipIf(!isRoot)('a folder of another user in a sticky one', async () => {
    const base = folder()
    chownSync(base, nobody, nobody)
    await expect(listen(join(base, 's.sock'))).rejects.toMatchObject({
      reason: 'socket-folder-foreign',
    })
  })
})
