import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadServerConfig } from '../../../server/config.ts'

test('a limit on signing under which no batch of an agent could ever pass is refused at the start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-config-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'server.json')
  const load = (burst: number) => {
    const rate_limits = { sign: { per_second: 10, burst } }
    writeFileSync(
      file,
      JSON.stringify({ trust_domain: 'example.org', data_dir: folder, rate_limits }),
    )
    return loadServerConfig({ file, env: {}, flags: {} }).rateLimits.sign
  }
  expect(() => load(999)).toThrow(expect.objectContaining({ reason: 'config-value' }))
  expect(load(1000)).toEqual({ perSecond: 10, burst: 1000 })
})
