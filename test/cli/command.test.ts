import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { afterAll, expect, test } from 'vitest'
import { createIo } from '../../src/cli/io.ts'
import { createProgram } from '../../src/cli/program.ts'
import { run, runHere, start } from '../support/command.ts'

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
    verbs().map(async (path) => ({ path, ...(await runHere([...path, '--help'])) })),
  )
  const poor = pages.filter(
    ({ code, stdout }) =>
      code !== 0 || !stdout.includes('Example') || /default: (\[\]|0)/.test(stdout),
  )
  expect(poor).toEqual([])
  expect(pages.length).toBeGreaterThan(50)
})

test.each([
  [['entry', 'crate'], 'fix: did you mean create?'],
  [['fetch', 'x509', '--sockett', 'x'], 'fix: did you mean --socket?'],
])('what is misspelt ends with 64 and a suggestion: %j', async (args, suggestion) => {
  const { code, stderr, stdout } = await runHere(args)
  expect(code).toBe(64)
  expect(stderr).toContain(suggestion)
  expect(stdout).toBe('')
})

test('where nobody listens it ends with 69 and says what to do', async () => {
  const nowhere = join(folder, 'no.sock')
  const admin = await runHere(['entry', 'list', '--admin-socket', nowhere])
  expect(admin).toMatchObject({ code: 69, stdout: '' })
  expect(admin.stderr).toMatch(/error\[server-socket-missing\][\s\S]*fix: .*server run/)
  const agent = await runHere(['fetch', 'x509', '--socket', `unix://${nowhere}`])
  expect(agent.code).toBe(69)
  expect(agent.stderr).toMatch(/fix: .*agent run/)
})

test('the admin socket may be written as in a shell, or as an endpoint', async () => {
  const at = join(process.cwd(), 'no/such.sock')
  for (const written of ['no/such.sock', `unix://${at}`, `unix:${at}`]) {
    for (const verb of ['entry list', 'agent info', 'report']) {
      const { code, stderr } = await runHere([...verb.split(' '), '--admin-socket', written])
      expect([code, stderr]).toEqual([69, expect.stringContaining(`listens at ${at}\n`)])
    }
  }
})

test('an empty path of a socket, as an unset variable leaves it, ends with 64', async () => {
  const { code, stderr } = await runHere([
    'revoke',
    'token',
    'x',
    '--reason',
    'x',
    '--admin-socket',
    '',
  ])
  expect(code).toBe(64)
  expect(stderr).toMatch(/the path of the server's socket is empty\n {2}fix: .*--admin-socket/)
})

test('where an authorization server cannot be asked it says why, and what to do', async () => {
  const file = join(folder, 'job.jwt')
  writeFileSync(file, 'a.b.c')
  const { code, stderr } = await runHere([
    ...['fetch', 'token', '--issuer', 'https://127.0.0.1:1', '--token-file', file],
    ...['--resource', 'https://orders.example.org', '--scope', 'orders:read'],
  ])
  expect(code).toBe(69)
  expect(stderr).toMatch(/https:\/\/127\.0\.0\.1:1\/oauth\/token ECONNREFUSED\n {2}fix: .*--ca/)
})

test('a socket that a killed process has left is told of as one that is not there', async () => {
  const path = join(folder, 'left.sock')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(`${path}.x`, resolve))
  renameSync(`${path}.x`, path)
  await new Promise((resolve) => server.close(resolve))
  for (const [args, who] of [
    [['entry', 'list', '--admin-socket', path], 'server'],
    [['fetch', 'x509', '--socket', `unix://${path}`], 'agent'],
    [['agent', 'info', '--admin-socket', path], 'agent'],
  ] as const) {
    expect(await runHere(args)).toEqual({
      code: 69,
      stdout: '',
      stderr: expect.stringMatching(
        new RegExp(`^error.${who}-socket-missing.: no ${who} listens at ${path}\n  fix: `),
      ),
    })
  }
})

test('WLE-08 without an endpoint nothing is assumed', async () => {
  const { code, stderr } = await run(['fetch', 'x509'], { cwd: folder })
  expect(code).toBe(1)
  expect(stderr).toMatch(/error\[endpoint-missing\][\s\S]*SPIFFE_ENDPOINT_SOCKET/)
})

test('a typing error in a config file ends with 78, its line and the nearest key', async () => {
  const path = join(folder, 'server.yaml')
  writeFileSync(path, 'trust_domain: example.org\nbind_adress: 127.0.0.1:1\n')
  const { code, stderr } = await runHere(['server', 'run', '--config', path])
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
  const path = join(folder, 'long.yaml')
  writeFileSync(path, 'trust_domain: example.org\nca: {ttl: 1h}\nx509_svid_ttl: 2h\n')
  const long = await runHere(['server', 'run', '--config', path, '--check-config'])
  expect(long).toMatchObject({ code: 0, stdout: 'the configuration is good\n' })
  expect(long.stderr).toMatch(
    /^warning: x509_svid_ttl of 2h is more than a sixth of ca\.ttl \(1h\):.* at most 10m is safe\n/,
  )
  const agent = await runHere(['agent', 'run', '--check-config'])
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
  expect((await runHere(args)).code).toBe(0)
  expect((await runHere(['server', 'run', '--config', server, '--check-config'])).code).toBe(0)
  expect((await runHere(['agent', 'run', '--config', agent, '--check-config'])).code).toBe(0)
  const again = await runHere(args)
  expect(again.code).toBe(1)
  expect(again.stderr).toContain('file-exists')
})

test('completion knows each verb, for three shells', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { code, stdout } = await runHere(['completion', shell])
    expect(code).toBe(0)
    for (const word of ['evict', 'mint', 'completion', 'selector']) expect(stdout).toContain(word)
  }
  expect((await runHere(['completion', 'tcsh'])).code).toBe(64)
})

test('bash completes verbs, options, and what an option may be; for others it looks for files', async () => {
  const { stdout } = await runHere(['completion', 'bash'])
  const completed = (line: string): string[] => {
    const words = ['countersign', ...line.split(' ')]
    const said = [
      ...[stdout, `COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})`],
      ...[`COMP_CWORD=${words.length - 1}`, '_countersign', `echo "\${COMPREPLY[*]}"`],
    ]
    const { stdout: got } = spawnSync('bash', ['-c', said.join('\n')], { encoding: 'utf8' })
    return got.trim().split(' ').filter(Boolean)
  }
  expect(completed('ag')).toEqual(['agent'])
  expect(completed('entry cr')).toEqual(['create'])
  expect(completed('entry create --sel')).toEqual(['--selector'])
  expect(completed('entry create --wait --at')).toEqual(['--atomic'])
  expect(completed('entry list --match ')).toEqual(['exact', 'subset', 'superset', 'any'])
  expect(completed('entry create --file ')).toEqual([])
})

test.each([
  [['entry', 'update', '--id', 'x'], 'nothing to change'],
  [['validate', 'jwt', '--audience', 'a', '--token-file', '/no/such/file'], '/no/such/file'],
  [['entry', 'list', '-o', 'yaml'], '-o json'],
  [['entry', 'create', '--file', 'x', '--spiffe-id', 'spiffe://example.org/a'], '--file'],
  [['entry', 'create', '--file', 'x', '--owner', 'me'], '--file'],
  [['entry', 'create'], '--spiffe-id, --parent-id, --selector'],
])(
  'what makes no sense ends with 64 before anything is asked of a server: %j',
  async (args, said) => {
    const { code, stderr, stdout } = await runHere(args)
    expect(code).toBe(64)
    expect(stderr).toContain(said)
    expect(stdout).toBe('')
  },
)

/** script(1) runs a command at a terminal of its own. */
const terminalMaker = '/usr/bin/script'
const bin = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url))

test('a private key never goes to a terminal', ({ skip }) => {
  const command = `'${process.execPath}' '${bin}' svid mint x509 --spiffe-id spiffe://example.org/x`
  const ended = spawnSync(terminalMaker, ['-qec', command, '/dev/null'], { encoding: 'utf8' })
  if (ended.error !== undefined) skip(`${terminalMaker} is not here`)
  expect(ended.status).toBe(77)
  expect(ended.stdout).toContain('key-on-terminal')
})

test('a reader that leaves is no error; a disk that is full is one', async () => {
  const gone = start(['completion', 'fish'])
  gone.stdout?.destroy()
  let said = ''
  gone.stderr?.on('data', (chunk) => {
    said += String(chunk)
  })
  expect(await new Promise((resolve) => gone.on('close', resolve))).toBe(0)
  expect(said).toBe('')
  const full = spawnSync(process.execPath, [bin, 'completion', 'fish'], {
    stdio: ['ignore', openSync('/dev/full', 'w'), 'pipe'],
    encoding: 'utf8',
  })
  expect(full.status).toBe(1)
  expect(full.stderr).toContain('error[output-unwritable]')
})

/** What is loaded before any verb has run, by following the imports that are not lazy. */
function loadedAtStart(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  if (!existsSync(file)) return seen
  const text = readFileSync(file, 'utf8')
  for (const [, target = ''] of text.matchAll(
    /^(?:import|export)(?! type )[^;]*?from '([^']+)'/gms,
  )) {
    loadedAtStart(target.startsWith('.') ? join(dirname(file), target) : target, seen)
  }
  return seen
}

test('help pages and completion load nothing that is heavy', () => {
  const loaded = loadedAtStart(join(dirname(bin), 'main.ts'))
  expect([...loaded].filter((name) => !name.includes('/') && !name.startsWith('node:'))).toEqual([
    'commander',
  ])
  expect([...loaded].filter((name) => /\/(rpc|x509|server|agent|jwt)\//.test(name))).toEqual([])
})
