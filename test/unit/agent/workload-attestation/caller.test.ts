import { spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import type { Socket } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { acceptCaller } from '../../../../agent/workload-attestation/caller.ts'
import { Processes } from '../../../../agent/workload-attestation/processes.ts'

// A kernel older than 6.5: what a socket cannot tell has to be asked for by number.
vi.mock(import('../../../../src/rpc/peer-credentials.ts'), async (original) => ({
  ...(await original()),
  peerPidFd: () => 'unsupported' as const,
}))

const socket = {} as Socket
const processes = new Processes(4)
const own = {
  pid: process.pid,
  uid: process.geteuid?.() ?? 0,
  gid: process.getegid?.() ?? 0,
}

describe('a caller', () => {
  test('T4 that this pid namespace cannot see is refused', () => {
    for (const pid of [0, -1]) {
      const caller = acceptCaller(socket, { pid, uid: 0, gid: 0 }, 1, processes)
      expect(() => caller.look()).toThrow(
        expect.objectContaining({ code: 'forbidden', reason: 'caller-invisible' }),
      )
    }
  })

  test('that is gone before it is accepted is refused', () => {
    const caller = acceptCaller(socket, { ...own, pid: 2 ** 21 + 7 }, 1, processes)
    expect(() => caller.look()).toThrow(expect.objectContaining({ reason: 'caller-gone' }))
  })

  test('whose user or group is not that of its connection is refused', () => {
    for (const other of [{ uid: own.uid + 1 }, { gid: own.gid + 1 }]) {
      const caller = acceptCaller(socket, { ...own, ...other }, 1, processes)
      expect(() => caller.look()).toThrow(expect.objectContaining({ reason: 'caller-changed' }))
      caller.release()
    }
  })

  test('is held by number where the kernel gives nothing better, and let go', async () => {
    const before = readdirSync('/proc/self/fd').length
    const child = spawn('sleep', ['60'], { stdio: 'ignore' })
    onTestFinished(() => {
      child.kill('SIGKILL')
    })
    await new Promise((resolve) => child.once('spawn', resolve))
    const kinds: string[] = []
    const caller = acceptCaller(socket, { ...own, pid: child.pid ?? 0 }, 1, processes, (kind) =>
      kinds.push(kind),
    )
    expect(kinds).toEqual(['by-number'])
    expect(caller.look().effectiveUid).toBe(own.uid)
    const exited = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await exited
    expect(() => caller.look()).toThrow(expect.objectContaining({ reason: 'caller-gone' }))
    caller.release()
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before)
  })
})
