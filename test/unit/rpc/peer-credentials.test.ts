import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openPidFd, peerCredentials, peerPidFd } from '../../../src/rpc/peer-credentials.ts'

const isRoot = process.getuid?.() === 0

async function accepted(open: (path: string) => void): Promise<Socket> {
  const folder = mkdtempSync('/tmp/csgn-')
  const path = join(folder, 's.sock')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(path, resolve))
  const connection = new Promise<Socket>((resolve) => server.once('connection', resolve))
  chmodSync(folder, 0o755)
  chmodSync(path, 0o777)
  open(path)
  const socket = await connection
  onTestFinished(() => {
    socket.destroy()
    server.close()
    rmSync(folder, { recursive: true })
  })
  return socket
}

/** A shell with a connection, as another user where that is wanted. */
function child(path: string, ids: { uid?: number; gid?: number } = {}): ReturnType<typeof spawn> {
  const code = `require('net').connect(${JSON.stringify(path)}); setInterval(() => {}, 1000)`
  const started = spawn(process.execPath, ['-e', code], { ...ids, cwd: '/', stdio: 'ignore' })
  onTestFinished(() => {
    started.kill('SIGKILL')
  })
  return started
}

describe('peer credentials', () => {
  test('name this process where it connects to itself', async () => {
    const socket = await accepted((path) => connect(path))
    expect(peerCredentials(socket)).toEqual({
      pid: process.pid,
      uid: process.getuid?.(),
      gid: process.getgid?.(),
    })
  })

  test.skipIf(!isRoot)('name uid and gid of another user’s process', async () => {
    let started: ReturnType<typeof spawn> | undefined
    const socket = await accepted((path) => {
      started = child(path, { uid: 54_321, gid: 12_345 })
    })
    expect(peerCredentials(socket)).toEqual({ pid: started?.pid, uid: 54_321, gid: 12_345 })
  })

  test('of a closed socket are an error of ours', async () => {
    const socket = await accepted((path) => connect(path))
    socket.destroy()
    await new Promise((resolve) => socket.once('close', resolve))
    expect(() => peerCredentials(socket)).toThrow(expect.objectContaining({ reason: 'peer-gone' }))
    expect(peerPidFd(socket, process.pid)).toBeUndefined()
  })
})

describe('a pidfd', () => {
  test('says whether the process that connected lives', async ({ annotate }) => {
    let started: ReturnType<typeof spawn> | undefined
    const socket = await accepted((path) => {
      started = child(path)
    })
    const { pid } = peerCredentials(socket)
    const bySocket = peerPidFd(socket, pid)
    const byNumber = openPidFd(pid)
    if (bySocket === 'unsupported') {
      await annotate('this kernel has no SO_PEERPIDFD')
    } else {
      expect(bySocket?.alive()).toBe(true)
    }
    expect(byNumber?.alive()).toBe(true)
    const exited = new Promise((resolve) => started?.once('exit', resolve))
    started?.kill('SIGKILL')
    await exited
    expect(byNumber?.alive()).toBe(false)
    if (bySocket !== 'unsupported') {
      expect(bySocket?.alive()).toBe(false)
      // The socket still knows whom it belonged to, and that this one is dead.
      const again = peerPidFd(socket, pid)
      expect(again === undefined || again === 'unsupported' || !again.alive()).toBe(true)
      if (again !== 'unsupported') again?.close()
      bySocket?.close()
    }
    byNumber?.close()
    expect(openPidFd(pid)).toBeUndefined()
  })

  test('leaves no descriptor behind and closes once only', async () => {
    const socket = await accepted((path) => connect(path))
    const open = (): number => readdirSync('/proc/self/fd').length
    const before = open()
    for (let round = 0; round < 100; round += 1) {
      const pidFd = peerPidFd(socket, process.pid)
      if (pidFd === undefined || pidFd === 'unsupported') return
      expect(pidFd.alive()).toBe(true)
      pidFd.close()
      expect(pidFd.alive()).toBe(false)
      pidFd.close()
    }
    expect(open()).toBe(before)
  })
})
