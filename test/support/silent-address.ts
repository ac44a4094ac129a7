import { once } from 'node:events'
import { connect } from 'node:net'
import { Worker } from 'node:worker_threads'
import { onTestFinished } from 'vitest'

/** Listens, and then does nothing more: not even accept. */
const listenOnly = `
  const { createServer } = require('node:net')
  const { parentPort, workerData } = require('node:worker_threads')
  createServer().listen({ ...workerData, backlog: 1 }, () => {
    parentPort.postMessage('listening')
    setImmediate(() => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0))
  })`

/** Whoever connects to it from now on, for one test, hears nothing: as where a firewall swallows what is sent. */
export async function silentAddress(host: string, port: number): Promise<void> {
  const listener = new Worker(listenOnly, { eval: true, workerData: { host, port } })
  await once(listener, 'message')
  // Linux answers nobody while as many wait to be accepted as may.
  const waiting = Array.from({ length: 8 }, () => connect({ host, port }).on('error', () => {}))
  onTestFinished(async () => {
    for (const socket of waiting) socket.destroy()
    await listener.terminate()
  })
  await once(waiting[0] as NonNullable<(typeof waiting)[0]>, 'connect')
}
