import { type ChildProcess, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import type { FakeWorkloadApi } from '../../src/testing/fake-workload-api.ts'
import { run, start } from '../support/command.ts'
import { startApi, web } from '../support/fake-api.ts'
import { temporaryFolder } from '../unit/files/fixture.ts'

async function granted(): Promise<FakeWorkloadApi> {
  const api = await startApi()
  await api.grant(web)
  return api
}

const exec = (api: FakeWorkloadApi, ...args: string[]) => [
  'exec',
  '--socket',
  api.endpoint,
  ...args,
]

/** A program in Node, and its lines as they come. */
function program(api: FakeWorkloadApi, options: readonly string[], source: string) {
  const file = join(temporaryFolder(), 'program.mjs')
  writeFileSync(file, source)
  const child = start(exec(api, ...options, '--', process.execPath, file, '--flag'))
  onTestFinished(() => void child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })
  const iterator = lines[Symbol.asyncIterator]()
  const line = async (): Promise<string> => String((await iterator.next()).value)
  return { child, line, ended: once(child, 'exit') }
}

test('a program gets its files and its arguments, we its exit code, and the folder is gone', async () => {
  const api = await granted()
  const script = `
    stat -c '%a' "$COUNTERSIGN_DIR" "$COUNTERSIGN_DIR/current/"
    cat "$COUNTERSIGN_CERT_FILE" "$COUNTERSIGN_KEY_FILE" | cmp - "$COUNTERSIGN_COMBINED_FILE" && echo whole
    test -s "$COUNTERSIGN_BUNDLE_FILE" && echo trusted
    ls /proc/self/fd | wc -l
    echo "$COUNTERSIGN_DIR" "$1"
    exit 42`
  const { code, stdout, stderr } = await run(exec(api, '--', 'sh', '-c', script, 'sh', '--flag'))
  expect({ code, stderr }).toEqual({ code: 42, stderr: '' })
  const [mode, inner, whole, trusted, descriptors, rest = ''] = stdout.split('\n')
  // Not one more than without us.
  const plain = spawnSync('sh', ['-c', 'ls /proc/self/fd | wc -l'], { encoding: 'utf8' })
  expect([mode, inner, whole, trusted]).toEqual(['700', '700', 'whole', 'trusted'])
  expect(descriptors).toBe(plain.stdout.trim())
  const [dir = '', flag] = rest.split(' ')
  expect(flag).toBe('--flag')
  expect(dir).toMatch(/countersign-exec-/)
  expect(existsSync(dir)).toBe(false)
})

test('a program that a signal ends, or that cannot be started, is told by the exit code', async () => {
  const api = await granted()
  expect((await run(exec(api, '--', 'sh', '-c', 'kill -KILL $$'))).code).toBe(137)
  expect((await run(exec(api, '--', '/nowhere/program'))).code).toBe(127)
  expect((await run(exec(api, '--', '/etc/passwd'))).code).toBe(126)
  expect((await run(exec(api))).code).toBe(64)
  expect((await run(exec(api, '--on-renew', 'HANG', '--', 'true'))).code).toBe(64)
})

test('each signal reaches the program, and does not end us', async () => {
  const api = await granted()
  const signals = ['SIGHUP', 'SIGINT', 'SIGQUIT', 'SIGTERM', 'SIGUSR1', 'SIGUSR2'] as const
  const { child, line, ended } = program(
    api,
    [],
    `for (const name of ${JSON.stringify(signals)}) {
       process.on(name, () => console.log(name))
     }
     process.on('SIGUSR2', () => process.exit(3))
     setInterval(() => {}, 1000)
     console.log('ready')`,
  )
  expect(await line()).toBe('ready')
  // It is idle, so that nothing but the signal itself can have it passed on: no line, no renewal.
  for (const signal of [...signals.slice(0, 5), ...signals]) {
    child.kill(signal)
    expect(await line()).toBe(signal)
  }
  expect(await ended).toEqual([3, null])
})

const sayCertificate = `
  import { createHash } from 'node:crypto'
  import { readFileSync } from 'node:fs'
  const say = (why) => console.log(why, process.pid, createHash('sha1').update(readFileSync(process.env.COUNTERSIGN_CERT_FILE)).digest('hex'))
  say('started')
  setInterval(() => {}, 1000)
`

test('a renewal sends the signal that was asked for, once the new files are there', async () => {
  const api = await granted()
  const source = `${sayCertificate}; process.on('SIGHUP', () => say('renewed'))`
  const { child, line, ended } = program(api, ['--on-renew', 'HUP'], source)
  const [, pid, before] = (await line()).split(' ')
  await api.rotate()
  const [why, same, after] = (await line()).split(' ')
  expect([why, same]).toEqual(['renewed', pid])
  expect(after).not.toBe(before)
  child.kill('SIGTERM')
  expect(await ended).toEqual([143, null])
})

test('a renewal starts the program anew, which is not over until it ends by itself', async () => {
  const api = await granted()
  const { child, line, ended } = program(api, ['--on-renew', 'restart'], sayCertificate)
  const [, pid, before] = (await line()).split(' ')
  await api.rotate()
  const [why, other, after] = (await line()).split(' ')
  expect(why).toBe('started')
  expect(other).not.toBe(pid)
  expect(after).not.toBe(before)
  expect(isRunning(child)).toBe(true)
  process.kill(Number(other), 'SIGKILL')
  expect(await ended).toEqual([137, null])
})

test('Ctrl-C while there is no identity yet ends us, and nothing is left', async () => {
  const api = await startApi()
  // Where others make none.
  const place = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'cs-exec-'))
  onTestFinished(() => rmSync(place, { recursive: true }))
  const folders = () => readdirSync(place).filter((name) => name.startsWith('countersign-exec-'))
  const child = start(exec(api, '--', 'true'), {
    env: { XDG_RUNTIME_DIR: place, TMPDIR: place },
  })
  const ended = once(child, 'exit')
  await expect.poll(() => api.calls.length).toBeGreaterThan(0)
  expect(folders()).toHaveLength(1)
  child.kill('SIGINT')
  expect(await ended).toEqual([130, null])
  expect(folders()).toEqual([])
})

function isRunning(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null
}

test('while there is no identity it says so once, however often it asks', async () => {
  const api = await startApi()
  const child = start(exec(api, '--', 'true'))
  onTestFinished(() => void child.kill('SIGKILL'))
  let said = ''
  child.stderr?.on('data', (chunk) => {
    said += String(chunk)
  })
  await expect.poll(() => api.calls.length).toBeGreaterThan(2)
  await expect.poll(() => said).toContain('no identity issued')
  expect(said.match(/no identity issued/g)).toHaveLength(1)
})
