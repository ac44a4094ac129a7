import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { unixAttestor } from '../../agent/workload-attestation/unix.ts'
import { unixExecutableAttestor } from '../../agent/workload-attestation/unix-executable.ts'
import {
  dial,
  header,
  nextMessage,
  reasonOf,
  startEndpoint,
  temporaryFolder,
} from '../unit/agent/workload-endpoint/fixture.ts'
import { entryOf } from '../unit/agent/workload-endpoint/identities.ts'
import {
  callers,
  callersApart,
  callFile,
  endpointApart,
  endpointBeside,
  whyNoCallers,
} from './callers.ts'
import { LONG, scale } from './scale.ts'

const whyNot = whyNoCallers()
const idOf = (path: string): string => `spiffe://example.org${path}`
const python = realPython()
/** USER_HZ, which is 100 on every Linux of today. */
const clockTickMs = 10

/** The program behind python3, which may be a script or a link. */
function realPython(): string {
  const { stdout } = spawnSync('python3', ['-c', 'import os; print(os.readlink("/proc/self/exe"))'])
  return String(stdout ?? '').trim()
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex')
}

describe.skipIf(whyNot !== undefined)(`processes of strangers ${whyNot ?? ''}`, () => {
  test('T1 of 50 users and 50 entries each user sees its own, all at once', async () => {
    const { path, updates } = await startEndpoint()
    const uids = Array.from({ length: 50 }, (_, at) => 30_000 + at)
    updates.set(uids.map((uid) => entryOf(`/user/${uid}`, [`unix:uid:${uid}`])))
    const seen = await callers<Record<string, string[]>>(['users', path, callFile(), 29_999, 52])
    const own = uids.map((uid) => [uid, [idOf(`/user/${uid}`)]])
    expect(seen).toEqual({ 29999: null, ...Object.fromEntries(own), 30050: null })
  })

  test('T2 a caller whose number another process got is served no SVID of that process', {
    timeout: LONG,
  }, async () => {
    const rounds = scale(100, 1000)
    const socket = join(temporaryFolder(), 's.sock')
    const { same, leaked, served } = await callersApart<Record<string, number>>(
      ['reused', socket, callFile(), rounds],
      ['/victim=unix:supplementary_gid:777'],
    )
    expect(leaked).toBe(0)
    // The victim got the number in most rounds, and is served under it.
    expect(same).toBeGreaterThan(rounds * 0.9)
    expect(served).toBe(rounds / 100)
  })

  test('T3 of two programs that are swapped at one path each gets its own entry or none, also when one becomes the other', {
    timeout: LONG,
  }, async () => {
    const folder = temporaryFolder()
    const programs = ['a', 'b'].map((name, at) => {
      const file = join(folder, name)
      copyFileSync(python, file)
      truncateSync(file, statSync(file).size + at + 1)
      return { file, size: statSync(file).size, entry: idOf(`/${name}`) }
    })
    const { path, updates } = await startEndpoint({
      attestors: [unixAttestor(), unixExecutableAttestor()],
    })
    updates.set([
      ...programs.map(({ file }) => entryOf(`/${file.at(-1)}`, [`unix:sha256:${sha256(file)}`])),
      entryOf('/at-path', [`unix:path:${join(folder, 'program')}`]),
    ])
    copyFileSync(programs[0]?.file ?? '', join(folder, 'program'))
    const seen = await callers<{ runs: number; ids: string[] | null; changed: boolean }[]>([
      ...['swapped', path, callFile(), folder, scale(3, 30)],
    ])
    for (const { runs, ids, changed } of seen) {
      const own = programs.find(({ size }) => size === runs)?.entry ?? ''
      // One that changes before it is accepted is the new program from the first look on.
      const right = changed ? [[own]] : [[own], [own, idOf('/at-path')].sort()]
      if (ids !== null) expect(right).toContainEqual(ids)
    }
    const served = seen.filter(({ ids }) => ids !== null)
    expect(new Set(served.map(({ runs }) => runs)).size).toBe(2)
    const changed = seen.filter((one) => one.changed)
    expect(changed.some(({ ids }) => ids === null)).toBe(true)
  })

  test('T4 a caller whom the agent’s namespace of processes does not hold is refused, with the reason', async () => {
    const socket = join(temporaryFolder(), 's.sock')
    await endpointApart(socket, ['/root=unix:uid:0'])
    expect(await reasonOf(nextMessage(dial(socket).FetchX509SVID({}, header)))).toBe(
      'caller-invisible',
    )
  })

  test('T4 a user who is root in a namespace of its own is who it is outside', async () => {
    const { path, updates } = await startEndpoint()
    updates.set([entryOf('/root', ['unix:uid:0']), entryOf('/user', ['unix:uid:30001'])])
    const apart = ['unshare', '--pid', '--fork', '--user', '--map-root-user']
    const asUser = ['setpriv', '--reuid', '30001', '--regid', '30001', '--clear-groups', ...apart]
    expect(await callers(['once', path, callFile()], [...asUser, 'python3'])).toEqual([
      idOf('/user'),
    ])
  })

  test('T14 a large program is read once for all its callers, and others are served meanwhile', {
    timeout: LONG,
  }, async () => {
    const folder = temporaryFolder()
    // Where the machine gave the others no turn while a program was read, another one is.
    const programs = Array.from({ length: 10 }, (_, at) => join(folder, `large-${at}`))
    const endpoint = await endpointBeside([
      ...programs.map((file, at) => `/large/${at}=unix:path:${file}`),
      '/honest=unix:uid:0',
    ])
    const { path } = endpoint
    const honest = async (): Promise<void> => {
      const api = dial(path)
      const stream = api.FetchX509SVID({}, header)
      await nextMessage(stream)
      stream.cancel()
      api.close()
    }
    // The honest caller's own program is read before.
    await honest()
    const count = scale(50, 200)
    let served = 0
    for (const [at, large] of programs.entries()) {
      copyFileSync(python, large)
      truncateSync(large, scale(100, 500) << 20)
      const { reads } = await endpoint.stats()
      const isBeingRead = async (): Promise<boolean> => {
        const now = await endpoint.stats()
        return now.asking > 0 && now.reads === reads
      }
      const [usedMs, startMs] = [cpuMs(endpoint.pid), performance.now()]
      let over = false
      const crowd = callers<number>(
        ['crowd', path, callFile(), count, idOf(`/large/${at}`)],
        [large],
        { PYTHONHOME: pythonHome() },
      ).finally(() => {
        over = true
      })
      while (!over) {
        const isRead = await isBeingRead()
        await honest()
        if (isRead && (await isBeingRead())) served += 1
      }
      expect(await crowd).toBe(count)
      const cores = (cpuMs(endpoint.pid) - usedMs) / (performance.now() - startMs)
      process.stderr.write(
        `strangers: ${count} callers of one program: ${cores.toFixed(2)} of a core, ${served} others served while it was read\n`,
      )
      expect((await endpoint.stats()).reads).toBe(reads + 1)
      rmSync(large)
      if (served >= 10) break
    }
    expect(served).toBeGreaterThanOrEqual(10)
    await expect.poll(async () => (await endpoint.stats()).queued).toBe(0)
  })
})

/** What all threads of the process have used, user and system. */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * clockTickMs
}

function pythonHome(): string {
  return String(spawnSync('python3', ['-c', 'import sys; print(sys.base_prefix)']).stdout).trim()
}
