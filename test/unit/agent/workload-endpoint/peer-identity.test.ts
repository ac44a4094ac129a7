import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../../src/runtime/clock.ts'
import {
  authority,
  callBytes,
  flag,
  frame,
  headerBlock,
  jwtCall,
  jwtMethod,
  prefaceBytes,
  settings,
} from '../../../support/http2-frames.ts'
import { startChild, whyNoOtherUsers } from './child.ts'
import {
  answer,
  dial,
  header,
  nextMessage,
  ownUid,
  reasonOf,
  startEndpoint,
  temporaryFolder,
  until,
} from './fixture.ts'
import { entryOf } from './identities.ts'
import { rawClient } from './raw-http2.ts'

const whyNot = whyNoOtherUsers()
const permissionDenied = 7
const unavailable = 14
const resourceExhausted = 8
const endpointProcess = fileURLToPath(new URL('endpoint-process.ts', import.meta.url))

describe.skipIf(whyNot !== undefined)(
  'other users’ processes (as root, from a folder open to all)',
  () => {
    test('T1 WLE-13 WLA-04 each user sees exactly its own entries', async () => {
      const { path, updates } = await startEndpoint()
      const uids = [20_001, 20_002, 20_003, 20_004]
      updates.set([
        ...uids.map((uid) => entryOf(`/user/${uid}`, [`unix:uid:${uid}`])),
        entryOf('/group/20002', ['unix:gid:20002']),
        entryOf('/both', ['unix:uid:20001', 'unix:gid:20002']),
      ])
      const children = await Promise.all(uids.map((uid) => startChild(path, uid)))
      for (let round = 0; round < 5; round += 1) {
        const answers = await Promise.all(children.map((child) => child.ask('fetch')))
        expect(answers.map(({ ids }) => ids)).toEqual([
          ['spiffe://example.org/user/20001'],
          ['spiffe://example.org/user/20002', 'spiffe://example.org/group/20002'],
          ['spiffe://example.org/user/20003'],
          ['spiffe://example.org/user/20004'],
        ])
      }
    })

    test('T1 a user without an entry is refused', async () => {
      const { path, updates } = await startEndpoint()
      updates.set([entryOf('/root', ['unix:uid:0'])])
      const child = await startChild(path, 20_001)
      expect(await child.ask('fetch')).toEqual({ code: permissionDenied })
    })

    test('T3 a process that changes its user loses its stream, and is served anew as what it is', async () => {
      const { path, updates } = await startEndpoint()
      const web = entryOf('/web', ['unix:uid:20001'])
      updates.set([entryOf('/root', ['unix:uid:0']), web])
      const child = await startChild(path, 0)
      expect(await child.ask('watch')).toEqual({ ids: ['spiffe://example.org/root'] })
      expect(await child.ask('setuid 20001')).toEqual({ uid: 20_001 })
      updates.set([entryOf('/root2', ['unix:uid:0']), web])
      expect(await child.heard()).toEqual({ code: unavailable })
      for (;;) {
        const { ids, code } = await child.ask('fetch')
        if (code === unavailable) continue
        expect(ids).toEqual(['spiffe://example.org/web'])
        break
      }
    })

    test('streams whose request never comes count, leave other users theirs, and end', async () => {
      // However long it takes until all have come in: time passes when the test says so.
      let aheadMs = 0
      const monotonicMs = (): number => systemClock.monotonicMs() + aheadMs
      const requestTimeoutMs = 600_000
      const { path, updates, endpoint } = await startEndpoint({
        clock: { ...systemClock, monotonicMs },
        limits: { requestTimeoutMs },
      })
      updates.set([entryOf('/other', ['unix:uid:20001']), entryOf('/root', ['unix:uid:0'])])
      const other = await startChild(path, 20_001)
      const headers = headerBlock('/SpiffeWorkloadAPI/FetchX509SVID', authority('localhost', 0x00))
      const silent = Array.from({ length: 750 }, (_, at) =>
        frame(1, flag.endHeaders, 1 + 2 * at, headers),
      )
      const hostile = Array.from({ length: 4 }, () => rawClient(path))
      for (const { socket } of hostile) {
        socket.write(Buffer.concat([prefaceBytes, settings(), ...silent]))
      }
      await until(() => endpoint.stats().refusedStreams === 3000 - 2048)
      expect(endpoint.stats().streamsByUid).toEqual(new Map([[0, 2048]]))
      expect((await other.ask('fetch')).ids).toEqual(['spiffe://example.org/other'])
      expect(await reasonOf(nextMessage(dial(path).FetchX509SVID({}, header)))).toBe(
        'too-many-streams',
      )
      aheadMs = requestTimeoutMs
      await until(() => endpoint.stats().streams === 0)
      expect((await nextMessage(dial(path).FetchX509SVID({}, header))).svids).toHaveLength(1)
    })

    test('a user that fills its streams or its connections leaves the others theirs', async () => {
      const { path, updates, endpoint } = await startEndpoint({ limits: { descriptors: 100 } })
      updates.set([entryOf('/root', ['unix:uid:0'])])
      const child = await startChild(path, 20_001)
      await child.ask('idle 300')
      await until(() => endpoint.stats().refusedConnections >= 250)
      const api = dial(path)
      expect((await nextMessage(api.FetchX509SVID({}, header))).svids).toHaveLength(1)
    })
  },
)

describe('a connection that is handed on', () => {
  /** A Python program that connects, says so, runs `then` and sends the call that was prepared. */
  async function codeOf(then: string): Promise<string> {
    const codes: string[] = []
    const { path, updates } = await startEndpoint({
      observe: (_method, code) => codes.push(code),
      attestors: [{ type: 'all', attest: () => [{ type: 'unix', value: 'all' }] }],
    })
    updates.set([entryOf('/me', ['unix:all'])])
    const file = join(path, '..', 'call')
    const call = jwtCall(1, headerBlock(jwtMethod, authority('localhost')))
    writeFileSync(file, Buffer.concat([prefaceBytes, settings(), call]))
    const program = [
      'import os, socket, sys, time',
      's = socket.socket(socket.AF_UNIX)',
      's.connect(sys.argv[1])',
      'os.set_inheritable(s.fileno(), True)',
      'fd, file = s.fileno(), sys.argv[2]',
      'send = f"cat {file} >&{fd}; sleep 60"',
      'print("connected", flush=True)',
      'sys.stdin.readline()',
      then,
    ].join('\n')
    const child = spawn('python3', ['-c', program, path, file], {
      stdio: ['pipe', 'pipe', 'inherit'],
      detached: true,
    })
    onTestFinished(() => {
      process.kill(-(child.pid ?? 0), 'SIGKILL')
    })
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
    await lines.next()
    child.stdin.write('go\n')
    await until(() => codes.length === 1)
    return codes[0] ?? ''
  }

  test('is served as long as it is the same process and program', async () => {
    const sending = 's.sendall(open(file, "rb").read())\ntime.sleep(60)'
    expect(await codeOf(sending)).toBe('ok')
  })

  test('T3 to another program in the same process is refused', async () => {
    expect(await codeOf('os.execv("/bin/sh", ["sh", "-c", send])')).toBe('unavailable')
  })

  test('T2 by a process that has ended is refused', async () => {
    const handing = [
      'parent = os.getpid()',
      'if os.fork() > 0: os._exit(0)',
      'while os.getppid() == parent: time.sleep(0.01)',
      'time.sleep(0.3)',
      's.sendall(open(file, "rb").read())',
      'time.sleep(60)',
    ].join('\n')
    expect(await codeOf(handing)).toBe('unavailable')
  })
})

interface Stats {
  readonly connections: number
  readonly refusedConnections: number
  readonly streams: number
  readonly users: number
  readonly queued: number
  readonly descriptors: number
  readonly timers: number
  readonly heapMiB: number
}

/** An endpoint in a process of its own. */
async function startServer(
  descriptors: number,
): Promise<{ path: string; stats(): Promise<Stats>; workedMs(): number }> {
  const path = join(temporaryFolder(), 's.sock')
  const server = spawn(
    'bash',
    [
      '-c',
      `ulimit -n ${descriptors}; exec "$0" "$@"`,
      process.execPath,
      '--expose-gc',
      endpointProcess,
      path,
    ],
    { stdio: ['pipe', 'pipe', 'inherit'] },
  )
  onTestFinished(() => {
    server.kill('SIGKILL')
  })
  const lines = createInterface({ input: server.stdout })[Symbol.asyncIterator]()
  await lines.next()
  return {
    path,
    /** How long its loop has been at work, by the kernel's count: what else runs here is not in it. */
    workedMs() {
      const schedule = readFileSync(`/proc/${server.pid}/task/${server.pid}/schedstat`, 'utf8')
      return Number(schedule.split(' ')[0]) / 1e6
    },
    async stats() {
      server.stdin.write('stats\n')
      return JSON.parse((await lines.next()).value ?? '')
    },
  }
}

/** Once all have left and all is given back, or after half a minute. */
async function settledStats(stats: () => Promise<Stats>, heapMiB = 1024): Promise<Stats> {
  const endMs = performance.now() + 30_000
  for (;;) {
    const now = await stats()
    const settled = now.connections === 0 && now.timers === 0 && now.heapMiB < heapMiB
    if (settled || performance.now() > endMs) return now
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** One honest call over a connection of its own. */
async function honestCall(path: string): Promise<void> {
  const api = dial(path)
  const stream = api.FetchX509SVID({}, header)
  expect((await nextMessage(stream)).svids).toHaveLength(1)
  stream.cancel()
  api.close()
}

describe.skipIf(whyNot !== undefined)(`one user and the others ${whyNot ?? ''}`, () => {
  test('T13 600 idle connections at a limit of 256 descriptors leave 100 of 100 calls answered', async () => {
    const { path, stats } = await startServer(256)
    let hostile = await startChild(path, 65_534)
    await hostile.ask('idle 600')
    for (;;) {
      const { connections, refusedConnections } = await stats()
      if (connections + refusedConnections >= 600) break
    }
    for (let call = 0; call < 100; call += 1) await honestCall(path)
    // A second later it has its share, which is half of what is free: those beyond it have been cut.
    await expect.poll(async () => (await stats()).connections).toBeLessThan(100)
    // Its own share used up, the user is told so, once those who only hold the line are off it.
    for (;;) {
      const { code } = await hostile.ask('fetch')
      if (code === resourceExhausted) break
      expect([undefined, unavailable, permissionDenied]).toContain(code)
      if (code !== permissionDenied) continue
      // It is ten seconds later: who said nothing has been cut, and comes again.
      hostile.process.kill('SIGKILL')
      hostile = await startChild(path, 65_534)
      await hostile.ask('idle 600')
    }
  })

  test('T13 250 connections at once at a limit of 512 descriptors: each within the share is served, each beyond it told so', async () => {
    const { path } = await startServer(512)
    const busy = await startChild(path, 20_001)
    const { answers = {} } = await busy.ask('flood 250 250')
    expect(Object.keys(answers)).toEqual(['0', String(resourceExhausted)])
    expect(answers[0]).toBeGreaterThan(150)
    expect(answers[0]).toBeLessThan(190)
    await honestCall(path)
  })

  /**
   * Makes honest calls until the flood is over. What the server's loop works between a call and its
   * answer is what the caller waits for, on a machine that has a core for each. 250 ms by the clock of
   * a machine on which the flood is half a second of work or more, a slow one, is half of that work.
   */
  async function expectNoWaiting<T>(
    { path, workedMs }: Pick<Awaited<ReturnType<typeof startServer>>, 'path' | 'workedMs'>,
    flooded: Promise<T>,
  ): Promise<T> {
    const beginMs = workedMs()
    let flooding = true
    const over = flooded.finally(() => {
      flooding = false
    })
    let longestMs = 0
    while (flooding) {
      const begunMs = workedMs()
      await honestCall(path)
      longestMs = Math.max(longestMs, workedMs() - begunMs)
    }
    expect(longestMs).toBeLessThan(Math.max(250, (workedMs() - beginMs) / 2))
    return over
  }

  for (const [name, connections] of [
    ['one connection', 1],
    ['1,000 connections', 1000],
  ] as const) {
    test(`1,000 streams at once over ${name}, and 1,000 more over the same, keep nobody waiting`, {
      timeout: 120_000,
    }, async () => {
      const server = await startServer(10_000)
      const { path, stats } = server
      const busy = await startChild(path, 20_001)
      await honestCall(path)
      const before = await settledStats(stats)
      for (const [over, open] of [
        [connections, 1000],
        ['same', 2000],
      ] as const) {
        const flooded = busy.ask(`flood 1000 ${over}`)
        expect((await expectNoWaiting(server, flooded)).answers).toEqual({ 0: 1000 })
        expect((await stats()).streams).toBeGreaterThanOrEqual(open)
      }
      expect((await stats()).connections).toBeLessThan(connections + 20)
      expect((await busy.ask('flood 100 1')).answers).toEqual({ 0: 48, [resourceExhausted]: 52 })
      const during = await stats()
      busy.process.kill('SIGKILL')
      // What stays is compiled code and the room that maps keep, not the streams.
      const heapMiB = before.heapMiB + (during.heapMiB - before.heapMiB) / 4
      const after = await settledStats(stats, heapMiB)
      expect(after).toMatchObject({ connections: 0, users: 0, streams: 0, queued: 0, timers: 0 })
      expect(after.descriptors).toBeLessThanOrEqual(before.descriptors)
      expect(after.heapMiB).toBeLessThan(heapMiB)
    })
  }

  test('1,000 streams without an identity are refused at once, and 1,000 connections made as fast as can be are met in turn', {
    timeout: 120_000,
  }, async () => {
    const server = await startServer(10_000)
    const call = callBytes('/SpiffeWorkloadAPI/FetchX509SVID').toString('hex')
    const none = await startChild(server.path, 20_002)
    for (const connections of [1, 1000, 'same']) {
      const flooded = none.ask(`flood 1000 ${connections}`)
      expect((await expectNoWaiting(server, flooded)).answers).toEqual({ [permissionDenied]: 1000 })
    }
    const refused = await expectNoWaiting(server, none.ask(`burst 1000 ${call}`))
    expect(refused.answers).toEqual({ messages: 0, refusals: 1000 })
    const some = await startChild(server.path, 20_001)
    const served = await expectNoWaiting(server, some.ask(`burst 1000 ${call}`))
    expect(served.answers).toEqual({ messages: 1000, refusals: 0 })
    for (const child of [none, some]) child.process.kill('SIGKILL')
    expect(await settledStats(server.stats)).toMatchObject({ streams: 0, users: 0, timers: 0 })
  })
})

test('a caller is attested anew at each call', async () => {
  let attested = 0
  const { path, updates } = await startEndpoint({
    attestors: [
      {
        type: 'counting',
        attest: () => {
          attested += 1
          return [{ type: 'unix', value: `uid:${ownUid}` }]
        },
      },
    ],
  })
  updates.set([entryOf('/me', [`unix:uid:${ownUid}`])])
  const api = dial(path)
  for (let round = 1; round <= 5; round += 1) {
    await answer((done) => api.FetchJWTSVID({ audience: ['a'] }, header, done))
    expect(attested).toBe(round)
  }
})
