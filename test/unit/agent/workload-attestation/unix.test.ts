import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import {
  appendFileSync,
  chmodSync,
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { FileIdentity, PeerProcess } from '../../../../agent/workload-attestation/attestor.ts'
import { fileHashes } from '../../../../agent/workload-attestation/file-hash.ts'
import { unixAttestor } from '../../../../agent/workload-attestation/unix.ts'
import { unixExecutableAttestor } from '../../../../agent/workload-attestation/unix-executable.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const call = new AbortController()
const { signal } = call

function folder(): string {
  const path = mkdtempSync('/tmp/csgn-')
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

function identity(path: string): FileIdentity {
  const { dev, ino } = statSync(path, { bigint: true })
  return { device: dev, inode: ino }
}

function peer(more: Partial<PeerProcess> = {}): PeerProcess {
  return {
    pid: process.pid,
    uid: 1000,
    gid: 1000,
    supplementaryGids: [],
    executable: identity('/proc/self/exe'),
    ...more,
  }
}

/** How many files below it this process has open. */
function openBelow(path: string): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(path)
    } catch {
      return false
    }
  }).length
}

const values = (selectors: readonly { type: string; value: string }[]): string[] =>
  selectors.map(({ type, value }) => `${type}:${value}`)

describe('uid, gid and their names', () => {
  test('are SPIRE’s selectors', async () => {
    const base = folder()
    writeFileSync(join(base, 'passwd'), 'root:x:0:0::/:/bin/sh\nada:x:1000:1000::/:/bin/sh\n')
    writeFileSync(join(base, 'group'), 'root:x:0:\nstaff:x:1000:\nadm:x:4:ada\n')
    const attestor = unixAttestor({
      passwdPath: join(base, 'passwd'),
      groupPath: join(base, 'group'),
    })
    const selectors = await attestor.attest(peer({ supplementaryGids: [4, 77, 1000] }), call)
    expect(values(selectors)).toEqual([
      'unix:gid:1000',
      'unix:group:staff',
      'unix:supplementary_gid:1000',
      'unix:supplementary_gid:4',
      'unix:supplementary_gid:77',
      'unix:supplementary_group:adm',
      'unix:supplementary_group:staff',
      'unix:uid:1000',
      'unix:user:ada',
    ])
  })

  test('without a name there is no selector with a name; odd lines are skipped', async () => {
    const base = folder()
    writeFileSync(
      join(base, 'passwd'),
      '# a comment\n\n:x:1000:\nbroken\nx:y:-1\nz:x:1e3:0\nada:x:1000:1000\nbob:x:1000:1000\n',
    )
    const attestor = unixAttestor({
      passwdPath: join(base, 'passwd'),
      groupPath: join(base, 'missing'),
    })
    expect(values(await attestor.attest(peer(), call))).toEqual([
      'unix:gid:1000',
      'unix:uid:1000',
      'unix:user:ada',
    ])
    expect(values(await attestor.attest(peer({ uid: 7 }), call))).toEqual([
      'unix:gid:1000',
      'unix:uid:7',
    ])
  })

  test('a changed file is read anew, also where only its name was swapped', async () => {
    const base = folder()
    const passwd = join(base, 'passwd')
    const clock = new FakeClock()
    const attestor = unixAttestor({ passwdPath: passwd, groupPath: join(base, 'group'), clock })
    const user = async (): Promise<string | undefined> => {
      await clock.advance(10)
      return values(await attestor.attest(peer(), call)).find((text) =>
        text.startsWith('unix:user:'),
      )
    }
    expect(await user()).toBeUndefined()
    writeFileSync(passwd, 'ada:x:1000:\n')
    expect(await user()).toBe('unix:user:ada')
    writeFileSync(`${passwd}.new`, 'bob:x:1000:\n')
    utimesSync(`${passwd}.new`, statSync(passwd).atime, statSync(passwd).mtime)
    renameSync(`${passwd}.new`, passwd)
    expect(await user()).toBe('unix:user:bob')
  })

  test('the same rights give the same array', () => {
    const attestor = unixAttestor()
    expect(attestor.attest(peer(), call)).toBe(attestor.attest(peer(), call))
  })
})

describe('path and sha256', () => {
  const ownHash = createHash('sha256').update(readFileSync('/proc/self/exe')).digest('hex')

  test('are those of the program that runs', async () => {
    const selectors = await unixExecutableAttestor().attest(peer(), call)
    expect(values(selectors)).toEqual([`unix:path:${process.execPath}`, `unix:sha256:${ownHash}`])
  })

  test('a limit of -1 leaves the hash out, a limit below the size refuses', async () => {
    const none = unixExecutableAttestor({ workloadSizeLimitBytes: -1 })
    expect(values(await none.attest(peer(), call))).toEqual([`unix:path:${process.execPath}`])
    const small = unixExecutableAttestor({ workloadSizeLimitBytes: 1000 })
    await expect(small.attest(peer(), call)).rejects.toMatchObject({
      reason: 'executable-too-large',
    })
  })

  test('a program that may not be seen is refused', async () => {
    await expect(
      unixExecutableAttestor().attest(peer({ executable: undefined }), call),
    ).rejects.toMatchObject({ reason: 'executable-invisible' })
  })

  test('T3 a path that no longer names what runs is not told, the hash is of what runs', async () => {
    const program = join(folder(), 'program')
    copyFileSync('/bin/sleep', program)
    chmodSync(program, 0o755)
    const child = spawn(program, ['60'])
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    await new Promise((resolve) => child.once('spawn', resolve))
    const pid = child.pid ?? 0
    const running = identity(`/proc/${pid}/exe`)
    const attestor = unixExecutableAttestor()
    const sleepHash = createHash('sha256').update(readFileSync('/bin/sleep')).digest('hex')
    expect(values(await attestor.attest(peer({ pid, executable: running }), call))).toEqual([
      `unix:path:${program}`,
      `unix:sha256:${sleepHash}`,
    ])
    copyFileSync('/bin/true', `${program}.new`)
    renameSync(`${program}.new`, program)
    expect(values(await attestor.attest(peer({ pid, executable: running }), call))).toEqual([
      `unix:sha256:${sleepHash}`,
    ])
    await expect(
      attestor.attest(peer({ pid, executable: identity(program) }), call),
    ).rejects.toMatchObject({ reason: 'executable-changed' })
  })
})

describe('T14 hashes', () => {
  test('are read once for many who ask, and anew when the file has changed', async () => {
    const file = join(folder(), 'file')
    writeFileSync(file, 'one')
    const hashes = fileHashes()
    const ask = (): Promise<string> => hashes.sha256(file, identity(file), 1, signal)
    const sums = await Promise.all(Array.from({ length: 100 }, ask))
    expect(new Set(sums)).toEqual(new Set([createHash('sha256').update('one').digest('hex')]))
    expect(await ask()).toBe(sums[0])
    expect(hashes.reads).toBe(1)
    writeFileSync(file, 'two')
    expect(await ask()).toBe(createHash('sha256').update('two').digest('hex'))
    expect(hashes.reads).toBe(2)
  })

  test('are forgotten beyond the bound, the one least lately used first', async () => {
    const base = folder()
    const hashes = fileHashes({ maxRemembered: 2 })
    const ask = (name: string): Promise<string> => {
      const path = join(base, name)
      return hashes.sha256(path, identity(path), 1, signal)
    }
    for (const name of ['a', 'b', 'c']) writeFileSync(join(base, name), name)
    await ask('a')
    await ask('b')
    await ask('a')
    await ask('c')
    await ask('a')
    expect(hashes.reads).toBe(3)
    await ask('b')
    expect(hashes.reads).toBe(4)
  })

  test('of one user’s large files do not keep another user waiting', async () => {
    const base = folder()
    const hashes = fileHashes({ concurrency: 2 })
    const done: string[] = []
    const ask = async (name: string, uid: number): Promise<void> => {
      const path = join(base, name)
      await hashes.sha256(path, identity(path), uid, signal)
      done.push(name)
    }
    const large = Array.from({ length: 8 }, (_, index) => `large${index}`)
    for (const name of large) writeFileSync(join(base, name), Buffer.alloc(4 << 20, name))
    writeFileSync(join(base, 'small'), 'small')
    await Promise.all([...large.map((name) => ask(name, 1)), ask('small', 2)])
    expect(done.indexOf('small')).toBeLessThan(2)
  })

  test('of files without end keep no other user waiting, and are left where nobody waits for them', async () => {
    const base = folder()
    const endless = ['first', 'second', 'third'].map((name) => join(base, name))
    for (const path of endless) {
      writeFileSync(path, '')
      truncateSync(path, 2 ** 42)
    }
    writeFileSync(join(base, 'other'), Buffer.alloc(40 << 20))
    const hashes = fileHashes({ concurrency: 2 })
    const leaving = new AbortController()
    const asked = endless.map((path, uid) =>
      hashes.sha256(path, identity(path), uid, leaving.signal).catch(() => 'left'),
    )
    const other = join(base, 'other')
    expect(await hashes.sha256(other, identity(other), 9, signal)).toHaveLength(64)
    leaving.abort()
    expect(await Promise.all(asked)).toEqual(['left', 'left', 'left'])
    await expect.poll(() => openBelow(base)).toBe(0)
  })

  test('go on where they stopped when somebody asks again', async () => {
    const base = folder()
    const file = join(base, 'file')
    const bytes = randomBytes(1 << 20)
    for (let copy = 0; copy < 96; copy += 1) appendFileSync(file, bytes)
    const hashes = fileHashes()
    const leaving = new AbortController()
    const left = hashes.sha256(file, identity(file), 1, leaving.signal).catch(() => {})
    await expect.poll(() => openBelow(base), { interval: 1 }).toBe(1)
    leaving.abort()
    await left
    await expect.poll(() => openBelow(base), { interval: 1 }).toBe(0)
    const expected = createHash('sha256').update(readFileSync(file)).digest('hex')
    expect(await hashes.sha256(file, identity(file), 1, signal)).toBe(expected)
    expect(hashes.reads).toBe(1)
  })

  test('end for the caller who leaves, not for the others', async () => {
    const file = join(folder(), 'file')
    writeFileSync(file, Buffer.alloc(1 << 20))
    const hashes = fileHashes()
    const leaving = new AbortController()
    const left = hashes.sha256(file, identity(file), 1, leaving.signal)
    const stays = hashes.sha256(file, identity(file), 1, signal)
    leaving.abort()
    await expect(left).rejects.toMatchObject({ name: 'AbortError' })
    expect(await stays).toHaveLength(64)
  })
})
