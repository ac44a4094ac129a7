import { readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { createClient, type RpcClient } from '../../src/rpc/client.ts'
import { dialTls, dialUnix, type RpcChannel } from '../../src/rpc/dial.ts'
import type { ServiceDefinitions } from '../../src/rpc/services.ts'
import { silentLog } from '../../src/runtime/log.ts'
import { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { openStand, type Stand } from '../interop/stand.ts'
import { reasonOf } from '../support/reason-of.ts'
import { type Attack, attack, attacks } from './attacks.ts'
import { LONG, scale } from './scale.ts'

/** Who waits longer than that for an answer waits for ever. */
const patienceMs = 120_000
/** How much more server and agent may have held at their worst than before the first attack. */
const mostGrowthMiB = 50
let stand: Stand
const channels: RpcChannel[] = []
let workload: RpcClient<ServiceDefinitions['SpiffeWorkloadAPI']>
let anybody: RpcClient<ServiceDefinitions['spire.api.server.bundle.v1.Bundle']>
let quietKiB: readonly number[]

beforeAll(async () => {
  stand = await openStand()
  await stand.register([{ language: 'honest', executable: process.execPath }])
  const tls = dialTls({
    address: `${stand.address.host}:${stand.address.port}`,
    log: silentLog,
    // A connection that a busy machine is slow with is none that was lost.
    ...{ connectTimeoutMs: patienceMs, handshakeTimeoutMs: patienceMs, keepaliveMs: LONG },
    verifyPeer: () => SpiffeId.parse(`spiffe://${stand.trustDomain}/spire/server`),
  })
  channels.push(dialUnix(stand.socket), tls)
  workload = createClient('SpiffeWorkloadAPI', channels[0] as RpcChannel)
  anybody = createClient('spire.api.server.bundle.v1.Bundle', tls)
  // The first call waits until our own program has been read, which may be longer than a call has.
  await eventually(async () => (await reasonOf(honestCalls())) === 'accepted', LONG)
  // What honest callers alone make of it is not the attacks'.
  for (let round = 0; round < 50; round += 1) {
    await Promise.all(Array.from({ length: 20 }, honestCalls))
  }
  quietKiB = stand.pids.map((pid) => kibOf(pid, 'VmRSS'))
  for (const pid of stand.pids) forgetPeak(pid)
}, LONG)

afterAll(async () => {
  for (const channel of channels) channel.close()
  await stand.close()
})

/** An honest workload's call of the agent, and an honest stranger's of the server. */
async function honestCalls(): Promise<void> {
  const options = { metadata: { 'workload.spiffe.io': 'true' }, timeoutMs: patienceMs }
  await workload.unary('FetchJWTSVID', { audience: ['me'], spiffe_id: '' }, options)
  await anybody.unary('GetBundle', {}, { timeoutMs: patienceMs })
}

const doors: Readonly<Record<Attack['door'], () => Socket>> = {
  agent: () => connect(stand.socket),
  server: () => connect(stand.address.port, stand.address.host),
  'server by TLS': () =>
    connectTls({ ...stand.address, ALPNProtocols: ['h2'], rejectUnauthorized: false }),
}

/** How long the loops of server and agent have been at work: what else runs on the machine is not in it. */
function loopsMs(): number {
  const ofOne = (pid: number): number => {
    const schedule = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8')
    return Number(schedule.split(' ')[0]) / 1e6
  }
  return sumOf(stand.pids.map(ofOne))
}

function sumOf(all: readonly number[]): number {
  return all.reduce((sum, one) => sum + one, 0)
}

function kibOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1])
}

/** From now on VmHWM is the most that the process has held since. */
function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** How much more server and agent have held at their worst than before the first attack, in MiB. */
function growthMiB(): number[] {
  return stand.pids.map((pid, at) => (kibOf(pid, 'VmHWM') - (quietKiB[at] ?? 0)) / 1024)
}

describe('T12 while strangers attack, honest callers are served, and memory is bounded', () => {
  test.each(Object.entries(attacks))('T12 %s', { timeout: LONG }, async (name, given) => {
    const over = new AbortController()
    onTestFinished(() => over.abort())
    const attacked = attack(given, doors[given.door], over.signal)
    const waits: number[] = []
    const endMs = performance.now() + scale(1000, 10_000)
    while (performance.now() < endMs || waits.length < 20) {
      const startMs = loopsMs()
      await honestCalls()
      waits.push(loopsMs() - startMs)
    }
    over.abort()
    await attacked
    await honestCalls()
    const [longestMs, meanMs] = [Math.max(...waits), sumOf(waits) / waits.length]
    const growth = growthMiB()
    process.stderr.write(
      `strangers: ${name}: ${waits.length} honest calls, ${meanMs.toFixed(1)} ms of work each, the longest ${longestMs.toFixed(1)}; ${growth.map((mib) => mib.toFixed(1)).join(' and ')} MiB more\n`,
    )
    // An honest call waits for some of the attack, some milliseconds of work to some hundred; not for all of it.
    expect(meanMs).toBeLessThan(500)
    expect(Math.max(...growth)).toBeLessThan(mostGrowthMiB)
    const errors = stand
      .log()
      .split('\n')
      .filter((line) => line.includes('"level":"error"'))
    expect(errors).toEqual([])
  })
})
