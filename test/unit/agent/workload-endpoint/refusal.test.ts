import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { preface } from '../../../../agent/workload-endpoint/preface.ts'
import { Refusals } from '../../../../agent/workload-endpoint/refusal.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { Deadlines } from '../../../../src/rpc/deadlines.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const headers = Buffer.from([0, 0, 0, 1, 5, 0, 0, 0, 1])

test('one that was told and does not read it is closed for the next as well: no more are open than may be', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-refusal-'))
  const sockets: Socket[] = []
  const clients: Socket[] = []
  const full = new CountersignError('exhausted', 'full', { reason: 'too-many-connections' })
  const refusals = new Refusals(full, new Deadlines(new FakeClock()), 1000)
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    refusals.add(socket)
    refusals.keep(2)
  })
  onTestFinished(() => {
    for (const socket of [...clients, ...sockets]) socket.destroy()
    server.close()
    rmSync(folder, { recursive: true, force: true })
  })
  const path = join(folder, 'socket')
  await new Promise<void>((resolve) => server.listen(path, resolve))
  for (let made = 0; made < 6; made += 1) {
    const client = connect(path).on('error', () => {})
    clients.push(client)
    client.write(preface)
    while (sockets.length === made) await turn()
    const socket = sockets[made] as Socket
    // Until what it is told has no room on its way.
    while (socket.writableLength === 0 && !socket.destroyed) {
      client.write(Buffer.concat(Array(50).fill(headers)))
      await turn()
    }
  }
  expect(sockets.filter(({ destroyed }) => !destroyed)).toHaveLength(2)
})
