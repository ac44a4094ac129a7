import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from 'commander'
import { afterAll, expect, test } from 'vitest'
import { createIo } from '../../src/cli/io.ts'
import { createProgram } from '../../src/cli/program.ts'
import { run } from '../support/command.ts'

const folder = mkdtempSync(join(tmpdir(), 'cs-cli-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function verbs(): string[][] {
  const program = createProgram(
    createIo({
      stdout: process.stdout,
      stderr: process.stderr,
      env: {},
      signal: new AbortController().signal,
      every: () => () => {},
    }),
    '0',
  )
  const walk = (command: Command, path: string[]): string[][] => [
    path,
    ...command.commands.flatMap((child) => walk(child, [...path, child.name()])),
  ]
  return walk(program, [])
}

test('each verb has a help page with an example', async () => {
  const pages = await Promise.all(
    verbs().map(async (path) => ({ path, ...(await run([...path, '--help'])) })),
  )
  const poor = pages.filter(({ code, stdout }) => code !== 0 || !stdout.includes('Example'))
  expect(poor).toEqual([])
  expect(pages.length).toBeGreaterThan(30)
}, 60_000)

test.each([
  [['entry', 'crate'], 'create'],
  [['fetch', 'x509', '--sockett', 'x'], '--socket'],
])('what is misspelt ends with 64 and a suggestion: %j', async (args, suggestion) => {
  const { code, stderr, stdout } = await run(args)
  expect(code).toBe(64)
  expect(stderr).toContain(suggestion)
  expect(stdout).toBe('')
})

test('where nobody listens it ends with 69 and says what to do', async () => {
  const nowhere = join(folder, 'no.sock')
  const admin = await run(['entry', 'list', '--admin-socket', nowhere])
  expect(admin).toMatchObject({ code: 69, stdout: '' })
  expect(admin.stderr).toMatch(/error\[server-socket-missing\][\s\S]*fix: .*server run/)
  const agent = await run(['fetch', 'x509', '--socket', `unix://${nowhere}`])
  expect(agent.code).toBe(69)
  expect(agent.stderr).toMatch(/fix: .*agent run/)
})

test('WLE-08 without an endpoint nothing is assumed', async () => {
  const { code, stderr } = await run(['fetch', 'x509'], { cwd: folder })
  expect(code).toBe(1)
  expect(stderr).toMatch(/error\[endpoint-missing\][\s\S]*SPIFFE_ENDPOINT_SOCKET/)
})

test('a typing error in a config file ends with 78, its line and the nearest key', async () => {
  const path = join(folder, 'server.yaml')
  writeFileSync(path, 'trust_domain: example.org\nbind_adress: 127.0.0.1:1\n')
  const { code, stderr } = await run(['server', 'run', '--config', path])
  expect(code).toBe(78)
  expect(stderr).toContain('server.yaml:2')
  expect(stderr).toContain('bind_address')
})

test('--check-config reads, checks and exits', async () => {
  expect(await run(['server', 'run', '--trust-domain', 'example.org', '--check-config'])).toEqual({
    code: 0,
    stdout: 'the configuration is good\n',
    stderr: '',
  })
  const agent = await run(['agent', 'run', '--check-config'])
  expect(agent.code).toBe(78)
  expect(agent.stderr).toContain('COUNTERSIGN_TRUST_DOMAIN')
})

test('server init writes what server run accepts, and overwrites nothing', async () => {
  const [server, agent] = [join(folder, 'new.yaml'), join(folder, 'agent.yaml')]
  const args = [
    'server',
    'init',
    '--trust-domain',
    'example.org',
    '--out',
    server,
    '--agent',
    agent,
  ]
  expect((await run(args)).code).toBe(0)
  expect((await run(['server', 'run', '--config', server, '--check-config'])).code).toBe(0)
  expect((await run(['agent', 'run', '--config', agent, '--check-config'])).code).toBe(0)
  const again = await run(args)
  expect(again.code).toBe(1)
  expect(again.stderr).toContain('file-exists')
})

test('completion knows each verb, for three shells', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await run(['completion', shell])
    expect(code).toBe(0)
    for (const word of ['evict', 'mint', 'completion', 'selector']) expect(stdout).toContain(word)
  }
  expect((await run(['completion', 'tcsh'])).code).toBe(64)
})
