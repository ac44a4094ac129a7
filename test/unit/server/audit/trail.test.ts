import { execFileSync } from 'node:child_process'
import { constants } from 'node:fs'
import {
  appendFile,
  chmod,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openTrail, type Trail } from '../../../../server/audit/trail.ts'
import { type ChainHead, chainStart, verify } from '../../../../src/audit/chain.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

let folder: string
let path: string
const clock = new FakeClock()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trail-'))
  path = join(folder, 'audit.log')
})
afterEach(() => rm(folder, { recursive: true }))

function event(serial: string): AuditEvent {
  return {
    kind: 'svid.x509.issued',
    time: clock.now(),
    actor: { kind: 'server' },
    serial,
    decision: 'allow',
  }
}

const open = (options: { maxFileBytes?: number; path?: string } = {}): Promise<Trail> =>
  openTrail({ path, clock, log: silentLog, ...options })

async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8')
  expect(text === '' || text.endsWith('\n')).toBe(true)
  return text.split('\n').slice(0, -1)
}

async function serialsOf(file: string): Promise<unknown[]> {
  return (await linesOf(file)).map((line) => (JSON.parse(line) as { serial?: string }).serial)
}

/** With which this process has the file open, once for each descriptor. */
async function flagsOf(file: string): Promise<number[]> {
  const found: number[] = []
  for (const fd of await readdir('/proc/self/fd')) {
    if ((await readlink(`/proc/self/fd/${fd}`).catch(() => '')) !== file) continue
    const info = await readFile(`/proc/self/fdinfo/${fd}`, 'utf8')
    found.push(Number.parseInt(/^flags:\s+(\d+)/m.exec(info)?.[1] ?? '', 8))
  }
  return found
}

describe('the audit trail', () => {
  test('is made with mode 0600 and holds what append resolved for, in order', async () => {
    await using trail = await open()
    await Promise.all([
      trail.append([event('1'), event('2')]),
      trail.append([event('3')]),
      trail.append([]),
    ])
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await serialsOf(path)).toEqual(['1', '2', '3'])
    expect(verify(await linesOf(path), { expected: trail.head() }).fault).toBeUndefined()
  })

  test('goes on with its chain after a restart', async () => {
    for (const serial of ['1', '2', '3']) {
      await using trail = await open()
      await trail.append([event(serial)])
    }
    const verdict = verify(await linesOf(path))
    expect(verdict).toMatchObject({ verified: 3, fault: undefined })
  })

  test('all that waits shares one write', async () => {
    let writes = 0
    await using trail = await openTrail({
      path,
      clock,
      log: silentLog,
      observe: () => {
        writes += 1
      },
    })
    await Promise.all(Array.from({ length: 1000 }, (_, i) => trail.append([event(String(i))])))
    expect(writes).toBe(1)
    expect(verify(await linesOf(path)).verified).toBe(1000)
  })

  test('whoever asks again after an answer shares the next write, for which nobody waits long', async () => {
    const writes: number[] = []
    const waits: number[] = []
    const waiting = Promise.withResolvers<void>()
    let ms = 0
    let during: Promise<unknown> = Promise.resolve()
    const trail = await openTrail({
      ...{ path, log: silentLog, observe: ({ events }) => void writes.push(events) },
      clock: {
        now: () => clock.now(),
        monotonicMs() {
          // The first write has just ended.
          if (ms === 3) during = trail.append([event('2')])
          ms += 3
          return ms
        },
        sleep(waitMs) {
          waits.push(waitMs)
          waiting.resolve()
          return waits.length > 1 ? Promise.resolve() : new Promise(() => {})
        },
      },
    })
    await trail.append([event('1')])
    await waiting.promise
    await trail.append([event('3')])
    await during
    expect(writes).toEqual([1, 2])
    // One of the two comes alone.
    await trail.append([event('4')])
    await trail[Symbol.asyncDispose]()
    expect(writes).toEqual([1, 2, 1])
    expect(waits).toEqual([4, 4])
  })

  test('F1 each line is on disk as its write returns', async () => {
    await using trail = await open({ maxFileBytes: 300 })
    for (const serial of ['1', '2', '3']) {
      await trail.append([event(serial)])
      expect(await flagsOf(path)).toEqual([expect.any(Number)])
      for (const flags of await flagsOf(path)) {
        expect(flags & constants.O_DSYNC).toBe(constants.O_DSYNC)
      }
    }
    expect((await readdir(folder)).length).toBeGreaterThan(1)
  })

  test('F1 a torn last line is moved aside and noted', async () => {
    {
      await using trail = await open()
      await trail.append([event('1'), event('2')])
    }
    await appendFile(path, '{"v":1,"n":3,"time":"20')
    await using trail = await open()
    await trail.append([event('3')])
    const lines = await linesOf(path)
    expect(verify(lines)).toMatchObject({ verified: 4, fault: undefined })
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({
      kind: 'trail.repaired',
      details: { bytes: 23, keptAs: 'audit.log.torn-1' },
    })
    expect(await readFile(`${path}.torn-1`, 'utf8')).toBe('{"v":1,"n":3,"time":"20')
  })

  test('F1 lines that a loss of power left as zeros are moved aside', async () => {
    {
      await using trail = await open()
      await trail.append([event('1')])
    }
    await appendFile(path, `${'\0'.repeat(5000)}\n\0\0`)
    await using trail = await open()
    await trail.append([event('2')])
    expect(verify(await linesOf(path))).toMatchObject({ verified: 3, fault: undefined })
  })

  test('one that cannot be opened is named, with why', async () => {
    const open = (at: string) => openTrail({ path: at, clock, log: silentLog })
    await expect(open(join(path, '..', 'none', 'audit.log'))).rejects.toMatchObject({
      reason: 'audit-unwritable',
      message: expect.stringMatching(/none\/audit\.log cannot be opened \(ENOENT\)$/),
    })
    await expect(open(dirname(path))).rejects.toMatchObject({
      message: expect.stringContaining('(EISDIR)'),
    })
  })

  test('T22 a file that is open to others is refused with the command that closes it', async () => {
    await writeFile(path, '')
    await chmod(path, 0o640)
    await expect(open()).rejects.toMatchObject({
      reason: 'audit-file-loose',
      fix: `chmod 600 ${path}`,
    })
  })

  test('an event that is too large is refused alone', async () => {
    await using trail = await open()
    const large = { ...event('2'), owner: 'x'.repeat(1 << 20) }
    const results = await Promise.allSettled([
      trail.append([event('1')]),
      trail.append([large]),
      trail.append([event('3')]),
    ])
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await serialsOf(path)).toEqual(['1', '3'])
  })

  test('a full queue refuses more', async () => {
    await using trail = await open()
    const many = Array.from({ length: 65_536 }, () => event('1'))
    const first = trail.append(many)
    await expect(trail.append([event('2')])).rejects.toMatchObject({ reason: 'audit-queue-full' })
    await first
    await trail.append([event('3')])
  })

  test('a full file gets a number and the chain goes on in a new one, also after a restart', async () => {
    for (let i = 0; i < 6; i += 1) {
      await using trail = await open({ maxFileBytes: 600 })
      await trail.append([event(`${i}a`)])
      await trail.append([event(`${i}b`)])
    }
    const names = (await readdir(folder)).sort()
    expect(names.slice(0, 3)).toEqual(['audit.log', 'audit.log.000001', 'audit.log.000002'])
    let head: ChainHead = chainStart
    for (const name of [...names.slice(1), 'audit.log']) {
      const verdict = verify(await linesOf(join(folder, name)), { from: head })
      expect(verdict.fault).toBeUndefined()
      head = verdict.head
    }
    expect(head.number).toBe(12)
  })

  test('a file that somebody else wrote to is read again before anything is added', async () => {
    await using one = await open()
    await using other = await open()
    await one.append([event('1')])
    await other.append([event('2')])
    await one.append([event('3')])
    expect(verify(await linesOf(path))).toMatchObject({ verified: 3, fault: undefined })
  })

  test('T10 lines that are taken away while it runs leave a gap that verify finds', async () => {
    await using trail = await open()
    await trail.append([event('1')])
    const kept = await readFile(path)
    await trail.append([event('2')])
    await writeFile(path, kept)
    await trail.append([event('3')])
    expect(verify(await linesOf(path)).fault).toEqual({ kind: 'line-out-of-place', line: 2 })
    await rm(path)
    await trail.append([event('4')])
    expect(await serialsOf(path)).toEqual(['4'])
    expect(verify(await linesOf(path)).fault).toEqual({ kind: 'line-out-of-place', line: 1 })
  })

  test('T10 a file that is moved away or replaced while it runs gets nothing more', async () => {
    await using trail = await open()
    await trail.append([event('1')])
    await rename(path, join(folder, 'elsewhere'))
    await trail.append([event('2')])
    expect(await serialsOf(path)).toEqual(['2'])
    await rename(path, join(folder, 'elsewhere-2'))
    await writeFile(path, '', { mode: 0o600 })
    await trail.append([event('3')])
    expect(await serialsOf(path)).toEqual(['3'])
    expect(await serialsOf(join(folder, 'elsewhere-2'))).toEqual(['2'])
  })

  test('nothing is taken after it was closed', async () => {
    const trail = await open()
    const last = trail.append([event('1')])
    await trail[Symbol.asyncDispose]()
    await last
    await expect(trail.append([event('2')])).rejects.toMatchObject({ reason: 'audit-unwritable' })
  })
})

const mounted = ((): string | undefined => {
  const at = execFileSync('mktemp', ['-d'], { encoding: 'utf8' }).trim()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', at], { stdio: 'ignore' })
    return at
  } catch {
    process.stderr.write('F14 audit trail on a full disk: skipped, only root can mount a tmpfs\n')
    return undefined
  }
})()

describe.skipIf(mounted === undefined)('the audit trail on a small disk', () => {
  const at = mounted ?? ''
  afterAll(async () => {
    execFileSync('umount', [at])
    await rm(at, { recursive: true })
  })

  test('F14 a full disk refuses what it cannot hold and recovers when there is room', async () => {
    const file = join(at, 'audit.log')
    const ballast = join(at, 'ballast')
    await using trail = await open({ path: file })
    await trail.append([event('1')])
    await writeFile(ballast, Buffer.alloc(900 << 10))
    const many = Array.from({ length: 4000 }, () => event('lost'))
    await expect(trail.append(many)).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'audit-unwritable',
    })
    expect(trail.ready()?.reason).toBe('audit-unwritable')
    await writeFile(ballast, '')
    await trail.probe()
    expect(trail.ready()).toBeUndefined()
    // What was tried with is gone again.
    expect(await serialsOf(file)).toEqual(['1'])
    await writeFile(ballast, Buffer.alloc(900 << 10))
    await expect(trail.append(many)).rejects.toMatchObject({ reason: 'audit-unwritable' })
    await expect(trail.append(many)).rejects.toMatchObject({ reason: 'audit-unwritable' })
    await rm(ballast)
    await trail.append([event('2')])
    expect(await serialsOf(file)).toEqual(['1', '2'])
    expect(verify(await linesOf(file), { expected: trail.head() }).fault).toBeUndefined()
  })

  test('F14 a torn end that there is no room to keep stays where it is, and leaves no other file', async () => {
    const file = join(at, 'torn', 'audit.log')
    const ballast = join(at, 'ballast')
    await mkdir(join(at, 'torn'))
    await (await open({ path: file }))[Symbol.asyncDispose]()
    await appendFile(file, 'x'.repeat(20_000))
    // Of 1 MiB, so that it fails where nothing is left.
    await expect(writeFile(ballast, Buffer.alloc(1 << 20))).rejects.toThrow('ENOSPC')
    await expect(open({ path: file })).rejects.toMatchObject({ reason: 'audit-unwritable' })
    expect(await readdir(join(at, 'torn'))).toEqual(['audit.log'])
    await rm(ballast)
    await (await open({ path: file }))[Symbol.asyncDispose]()
    expect((await readdir(join(at, 'torn'))).sort()).toEqual(['audit.log', 'audit.log.torn-1'])
  })
})
