import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { SinkSettings } from '../../../../server/audit/settings.ts'
import { openWitness } from '../../../../server/audit/witness.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const address = { host: 'logs.example.org', port: 514 }
const stdout = { name: 'out', type: 'stdout' } as const
const syslog = { name: 'log', type: 'syslog', ca: undefined } as const
const unix = { ...syslog, to: { transport: 'unix', path: '/dev/log' } } as const
const tcp = { ...syslog, to: { transport: 'tcp', address } } as const
const udp = { ...syslog, to: { transport: 'udp', address } } as const
const url = 'https://collector.example.org/v1/logs'
const otlp = { name: 'otlp', type: 'otlp', url, ca: undefined, tokenFile: undefined } as const

test.each<readonly [boolean, readonly SinkSettings[]]>([
  [true, []],
  [true, [stdout, unix]],
  [false, [stdout, tcp]],
  [false, [udp]],
  [false, [unix, otlp]],
])('that no copy leaves the machine is said: %s', (isSaid, sinks) => {
  const folder = mkdtempSync(join(tmpdir(), 'witness-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const said: string[] = []
  openWitness({
    ...{ path: join(folder, 'audit.log'), chain: 'c0'.repeat(16), sinks },
    trail: { append: async () => ({ first: 1, last: 0 }), head: () => ({ number: 0, hash: '' }) },
    sign: async () => '',
    clock: new FakeClock(),
    log: { ...silentLog, info: (message) => void said.push(message) },
  })
  expect(said.length).toBe(isSaid ? 1 : 0)
})
