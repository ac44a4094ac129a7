import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'

const script = fileURLToPath(new URL('../../scripts/bootstrap.mjs', import.meta.url))
const installs = 'mkdir -p node_modules && cp package-lock.json node_modules/.package-lock.json'

/** A checkout that needs no package, and has none yet. */
function checkout(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cs-bootstrap-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  for (const name of ['scripts', 'bin']) mkdirSync(join(folder, name))
  cpSync(script, join(folder, 'scripts', 'bootstrap.mjs'))
  writeFileSync(join(folder, 'package-lock.json'), '{"packages":{}}')
  return folder
}

/** Starts something in it, with an npm that does this, in sh. */
function start(folder: string, npm: string): ChildProcess {
  writeFileSync(join(folder, 'bin', 'npm'), `#!/bin/sh\n${npm}\n`, { mode: 0o755 })
  const { npm_execpath: _, ...env } = process.env
  const PATH = `${join(folder, 'bin')}${delimiter}${env['PATH']}`
  const child = spawn(process.execPath, ['scripts/bootstrap.mjs', 'node', '-e', ''], {
    ...{ cwd: folder, env: { ...env, PATH }, stdio: ['ignore', 'ignore', 'pipe'] },
  })
  onTestFinished(() => void child.kill())
  return child
}

async function endOf(child: ChildProcess): Promise<unknown> {
  const [code, signal] = await once(child, 'exit')
  return code ?? signal
}

test('an installation that has failed, or was killed, keeps no later start waiting', async () => {
  const folder = checkout()
  expect(await endOf(start(folder, 'exit 1'))).toBe(78)
  expect(await endOf(start(folder, 'kill -9 $PPID'))).toBe('SIGKILL')
  expect(await endOf(start(folder, installs))).toBe(0)
})

test('a start that waits for another one says so', async () => {
  const folder = checkout()
  const lock = join(folder, '.bootstrap.lock')
  mkdirSync(lock)
  writeFileSync(join(lock, 'pid'), String(process.pid))
  const child = start(folder, installs)
  const [said] = await once(child.stderr as NonNullable<ChildProcess['stderr']>, 'data')
  expect(String(said)).toBe(
    `countersign: waiting for another installation in this folder (${lock})\n`,
  )
  rmSync(lock, { recursive: true })
  expect(await endOf(child)).toBe(0)
})
