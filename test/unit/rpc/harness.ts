import { mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { dialUnix, type RpcChannel } from '../../../src/rpc/dial.ts'
import { createRpcServer, type RpcServer, type RpcServerOptions } from '../../../src/rpc/server.ts'
import { silentLog } from '../../../src/runtime/log.ts'

export interface TestPeer {
  readonly number: number
}

export interface Served {
  readonly server: RpcServer<TestPeer, TestPeer>
  readonly path: string
  readonly sockets: Set<Socket>
  dial(): RpcChannel
}

/** A server on a Unix socket whose peers are numbered as they come; all of it ends with the test. */
export async function serve(
  options: Partial<RpcServerOptions<TestPeer, TestPeer>> = {},
): Promise<Served> {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-rpc-'))
  const path = join(folder, 's.sock')
  const server = createRpcServer<TestPeer, TestPeer>({
    guard: (peer) => peer,
    maxReceiveBytes: 65_536,
    maxStreamsPerConnection: 100,
    log: silentLog,
    ...options,
  })
  let last = 0
  const sockets = new Set<Socket>()
  const listener = createServer((socket) => {
    last += 1
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
    server.accept(socket, { number: last })
  })
  await new Promise<void>((resolve) => listener.listen(path, resolve))
  onTestFinished(async () => {
    listener.close()
    await server.close(0)
    rmSync(folder, { recursive: true })
  })
  return {
    server,
    path,
    sockets,
    dial() {
      const channel = dialUnix(path)
      onTestFinished(() => channel.close())
      return channel
    },
  }
}

/** What the promise rejects with. */
export async function failureOf(
  promise: Promise<unknown>,
): Promise<Error & { reason?: string; code?: string }> {
  try {
    await promise
  } catch (error) {
    if (error instanceof Error) return error
  }
  throw new Error('it did not fail')
}

/** A promise and its resolve function, in a form that reads well in tests. */
export function signalled<T = void>(): {
  readonly promise: Promise<T>
  readonly resolve: (value: T) => void
} {
  const { promise, resolve } = Promise.withResolvers<T>()
  return { promise, resolve }
}
