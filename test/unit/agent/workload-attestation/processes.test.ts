import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readlinkSync } from 'node:fs'
import type { Socket } from 'node:net'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { acceptCaller, type Caller } from '../../../../agent/workload-attestation/caller.ts'
import { Processes } from '../../../../agent/workload-attestation/processes.ts'

/** What the kernel says of the other end, as of Linux 6.5: here it is asked by number. */
let alive = true
vi.mock(import('../../../../src/rpc/peer-credentials.ts'), async (original) => ({
  ...(await original()),
  peerPidFd: () => ({ fd: -1, alive: () => alive, close: () => {} }),
}))

async function startSleep(): Promise<{ child: ChildProcess; pid: number; end(): Promise<void> }> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  onTestFinished(() => {
    child.kill('SIGKILL')
  })
  await new Promise((resolve) => child.once('spawn', resolve))
  return {
    child,
    pid: child.pid ?? 0,
    end: () =>
      new Promise((resolve) => {
        child.once('exit', () => resolve())
        child.kill('SIGKILL')
      }),
  }
}

/** How many files of this process in /proc are open here. */
function openFilesOf(pid: number): number {
  return readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith(`/proc/${pid}/`)
    } catch {
      return false
    }
  }).length
}

let lastSerial = 0

function accept(processes: Processes, pid: number, isAlive = true, serial = ++lastSerial): Caller {
  alive = isAlive
  const uid = process.geteuid?.() ?? 0
  return acceptCaller({} as Socket, { pid, uid, gid: process.getegid?.() ?? 0 }, serial, processes)
}

describe('the files of a process', () => {
  test('are opened once for all of its connections and closed with the last', async () => {
    const processes = new Processes(8)
    const { pid } = await startSleep()
    const callers = Array.from({ length: 10 }, () => accept(processes, pid))
    expect(processes.size).toBe(1)
    expect(openFilesOf(pid)).toBe(1)
    for (const caller of callers) {
      expect(caller.look().startTime).toMatch(/^\d+$/)
      expect(openFilesOf(pid)).toBe(1)
      caller.release()
    }
    expect(processes.size).toBe(0)
    expect(openFilesOf(pid)).toBe(0)
  })

  test('make room for others, and are opened anew when they are needed', async () => {
    const processes = new Processes(2)
    const pids = [await startSleep(), await startSleep(), await startSleep()].map(({ pid }) => pid)
    const callers = pids.map((pid) => accept(processes, pid))
    expect(pids.map(openFilesOf)).toEqual([0, 1, 1])
    for (const caller of callers) {
      const before = caller.look()
      expect(caller.look()).toEqual(before)
      expect(processes.size).toBe(2)
    }
    for (const caller of callers) caller.release()
    expect(pids.map(openFilesOf)).toEqual([0, 0, 0])
  })

  test('T2 opened anew show no other process: the kernel is asked again whose number it is', async () => {
    const processes = new Processes(1)
    const first = await startSleep()
    const caller = accept(processes, first.pid)
    const other = accept(processes, (await startSleep()).pid)
    alive = false
    expect(() => caller.look()).toThrow(expect.objectContaining({ reason: 'caller-gone' }))
    expect(openFilesOf(first.pid)).toBe(0)
    caller.release()
    other.release()
    expect(processes.size).toBe(0)
  })

  test('T2 of one that has ended are no use to the next with its number', async () => {
    const processes = new Processes(4)
    const { pid, end } = await startSleep()
    const caller = accept(processes, pid)
    await end()
    expect(processes.hold(pid)).toBeUndefined()
    expect(processes.size).toBe(0)
    expect(() => caller.look()).toThrow(expect.objectContaining({ reason: 'caller-gone' }))
    caller.release()
  })

  test('once they are known to be of the socket’s other end, are so for its later connections', async () => {
    const processes = new Processes(4)
    const { pid } = await startSleep()
    const first = accept(processes, pid)
    const second = accept(processes, pid, false)
    expect(second.look()).toEqual(first.look())
    // One that was made before says nothing: the number may have been another's then.
    const before = accept(processes, pid, false, lastSerial - 2)
    expect(() => before.look()).toThrow(expect.objectContaining({ reason: 'caller-gone' }))
    first.release()
    second.release()
    const third = accept(processes, pid, false)
    expect(() => third.look()).toThrow(expect.objectContaining({ reason: 'caller-gone' }))
    expect(processes.size).toBe(0)
  })

  test('show it once a slice to all who ask, and anew in the next', async () => {
    const processes = new Processes(4)
    const { pid, end } = await startSleep()
    const [one, two] = [accept(processes, pid), accept(processes, pid)]
    const slice = {}
    const seen = one.look(slice)
    await end()
    expect(two.look(slice)).toBe(seen)
    expect(() => two.look({})).toThrow(expect.objectContaining({ reason: 'caller-gone' }))
    expect(() => one.look()).toThrow(expect.objectContaining({ reason: 'caller-gone' }))
    one.release()
    two.release()
  })
})
