import type { ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, inject, test } from 'vitest'
import { start } from '../support/command.ts'
import { buildGo } from './languages.ts'
import { startSpire, untilLogged } from './spire.ts'
import { ended } from './stand.ts'

/** Where it is missing, the run says so by itself. */
const hasGo = inject('probes')['go'] !== undefined

const folder = mkdtempSync(join(tmpdir(), 'cs-operator-'))
let executable: string
let server: ChildProcess

beforeAll(async () => {
  if (!hasGo) return
  executable = await buildGo('spire-operator')
  const config = join(folder, 'server.yaml')
  writeFileSync(
    config,
    [
      'trust_domain: example.org',
      `data_dir: ${join(folder, 'server')}`,
      'bind_address: 127.0.0.1:0',
      'http_address: false',
      '',
    ].join('\n'),
  )
  server = start(['server', 'run', '--config', config])
  await untilLogged(server, 'server is ready')
})

afterAll(async () => {
  if (server !== undefined) await ended(server)
  rmSync(folder, { recursive: true, force: true })
})

test.skipIf(!hasGo)(
  `what SPIRE's own commands, its controller manager for Kubernetes and Tornjak call is answered as they expect`,
  async () => {
    const operator = startSpire(executable, [
      '-socket',
      join(folder, 'server', 'admin', 'api.sock'),
    ])
    const code = await operator.ended
    const checks = operator.said.filter(({ event }) => event === 'check')
    expect(checks.filter(({ good }) => good !== true)).toEqual([])
    expect(checks.length).toBeGreaterThan(120)
    expect(code).toBe(0)
  },
)
