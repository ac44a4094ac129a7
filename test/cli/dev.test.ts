import type { ChildProcess } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { readLink } from '../../src/audit/chain.ts'
import { socketFolder } from '../../src/runtime/socket-folder.ts'
import { type Ended, run, runHere, start } from '../support/command.ts'

// A folder with a space in it, and too long a path for a socket below it.
const top = mkdtempSync(join(tmpdir(), 'cs-dev-'))
const folder = mkdtempSync(join(top, `a place ${'with a long name '.repeat(6)}`))

const children: ChildProcess[] = []

/** A clock that has gone on for a day and an hour. */
const aDayLater = {
  NODE_OPTIONS: `--import ${new URL('../support/later.mjs', import.meta.url)}`,
  AHEAD_MS: String(25 * 3_600_000),
}

/** A `dev` that does not outlive a test that failed. */
function launch(cwd: string, env: Readonly<Record<string, string>> = {}): ChildProcess {
  const child = start(['dev'], { cwd, env })
  children.push(child)
  return child
}

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(top, { recursive: true, force: true })
})

interface Dev {
  readonly socket: string
  readonly text: string
  stop(): Promise<number | null>
  /** Another command, in the same folder, with what dev told to export; `asProcess` in a process of its own. */
  command(...args: readonly string[]): Promise<Ended>
  asProcess(...args: readonly string[]): Promise<Ended>
  json(...args: readonly string[]): Promise<unknown>
}

async function startDev(cwd = folder, clock: Readonly<Record<string, string>> = {}): Promise<Dev> {
  const child = launch(cwd, clock)
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
  let text = ''
  let errors = ''
  child.stderr?.on('data', (chunk) => {
    errors += String(chunk)
  })
  const socket = await new Promise<string>((resolve, reject) => {
    child.on('close', () => reject(new Error(`dev ended: ${text}${errors}`)))
    child.stdout?.on('data', (chunk) => {
      text += String(chunk)
      const said = /export SPIFFE_ENDPOINT_SOCKET=unix:\/\/(\S+)/.exec(text)?.[1]
      if (said !== undefined) resolve(said)
    })
  })
  const env = { SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` }
  const command = (...args: readonly string[]) => {
    process.chdir(cwd)
    return runHere(args, env)
  }
  return {
    socket,
    text,
    command,
    asProcess: (...args) => run(args, { cwd, env }),
    async json(...args) {
      const { code, stdout, stderr } = await command(...args, '-o', 'json')
      expect({ args, code, stderr: code === 0 ? '' : stderr }).toEqual({
        args,
        code: 0,
        stderr: '',
      })
      expect(stdout.includes('\u001b')).toBe(false)
      return JSON.parse(stdout)
    },
    stop() {
      child.kill('SIGINT')
      return ended
    },
  }
}

/** The lines that do not continue the one before them. */
function brokenLinks(path: string): string[] {
  const lines = readFileSync(path, 'utf8').trimEnd().split('\n')
  return lines.filter((line, at) => {
    const before = at === 0 ? undefined : readLink(lines[at - 1] ?? '')
    return at > 0 && readLink(line)?.previous !== before?.head.hash
  })
}

test('dev shows both SVIDs, serves every verb, stops without a trace, and starts again a day later', async () => {
  const dev = await startDev()
  expect(dev.text).toContain('Your X.509-SVID')
  expect(dev.text).toContain('Your JWT-SVID')
  expect(dev.text).not.toContain('PRIVATE KEY')

  const second = await run(['dev'], { cwd: folder })
  expect(second.code).toBe(1)
  expect(second.stderr).toContain('dev-running')
  expect(brokenLinks(join(folder, '.countersign', 'server', 'audit.log'))).toEqual([])

  const [agent] = (await dev.json('agent', 'list')) as { id: string; connected: boolean }[]
  expect(agent?.connected).toBe(true)
  const created = await dev.asProcess(
    ...['entry', 'create', '--parent-id', agent?.id ?? '', '--owner', 'web-team', '--wait'],
    ...['--spiffe-id', 'spiffe://example.org/web', '--selector', `unix:uid:${process.getuid?.()}`],
    ...['--label', 'tier=front', '--purpose', 'the shop', '-o', 'json'],
  )
  expect(created.stderr).toContain('held by 1 of 1 agents')
  const entry = JSON.parse(created.stdout) as { id: string }
  expect(entry).toMatchObject({
    spiffeId: 'spiffe://example.org/web',
    owner: 'web-team',
    purpose: 'the shop',
    labels: { tier: 'front' },
    revision: 0,
  })
  const twice = await dev.command(
    ...['entry', 'create', '--parent-id', agent?.id ?? ''],
    ...['--spiffe-id', 'spiffe://example.org/web', '--selector', `unix:uid:${process.getuid?.()}`],
  )
  expect(twice.code).toBe(1)
  expect(twice.stderr).toContain(entry.id)

  expect(await dev.json('entry', 'update', '--id', entry.id, '--hint', 'main')).toMatchObject({
    hint: 'main',
    owner: 'web-team',
    revision: 1,
  })
  expect(await dev.json('entry', 'list', '--owner', 'web-team')).toHaveLength(1)
  expect(await dev.json('entry', 'count')).toEqual({ count: 2 })
  expect(await dev.json('entry', 'show', '--id', entry.id)).toMatchObject({ id: entry.id })
  const svid = await dev.command('fetch', 'jwt', '--audience', 'a', '-o', 'json')
  expect(svid.stdout).toContain('spiffe://example.org/web')
  const [{ token } = { token: '' }] = (await dev.json(
    ...['fetch', 'jwt', '--audience', 'a', '--spiffe-id', 'spiffe://example.org/web'],
  )) as { token: string }[]
  const validate = (audience: string) =>
    run(['validate', 'jwt', '--audience', audience, '--token-file', '-'], {
      env: { SPIFFE_ENDPOINT_SOCKET: `unix://${dev.socket}` },
      input: token,
    })
  expect((await validate('a')).stdout).toContain('spiffe://example.org/web')
  const foreign = await validate('b')
  expect(foreign).toMatchObject({ code: 1, stdout: '' })
  expect(foreign.stderr).toMatch(/error\[token-audience\].*\n {2}fix: /)

  const keyed = (await dev.asProcess('fetch', 'x509', '--show-key', '-o', 'json')).stdout
  expect(keyed).toContain('PRIVATE KEY')
  expect((await dev.command('fetch', 'x509', '-o', 'json')).stdout).not.toContain('PRIVATE KEY')
  expect((await dev.command('fetch', 'bundles')).stdout).toContain('spiffe://example.org')
  expect((await dev.command('bundle', 'show')).stdout).toContain('BEGIN CERTIFICATE')
  expect((await dev.command('bundle', 'list')).stderr).toContain('none')
  expect(await dev.json('token', 'create')).toMatchObject({
    token: expect.stringMatching(/^\w{32}$/),
  })
  const mint = ['svid', 'mint', 'x509', '--spiffe-id', 'spiffe://example.org/x']
  const minted = (await dev.json(...mint)) as { chainPem: string; keyPem: string }
  const pem = /^(?:-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n)+$/
  expect(minted.chainPem).toMatch(pem)
  const text = (await dev.command(...mint)).stdout
  const [chain = '', key = ''] = text.split(/(?=-----BEGIN PRIVATE KEY)/)
  expect(chain).toMatch(pem)
  expect(new X509Certificate(chain).checkPrivateKey(createPrivateKey(key))).toBe(true)
  expect(
    (
      await dev.command(
        'svid',
        'mint',
        'jwt',
        '--spiffe-id',
        'spiffe://example.org/x',
        '--audience',
        'a',
      )
    ).stdout,
  ).toContain('spiffe://example.org/x')
  expect((await dev.command('server', 'health')).code).toBe(0)
  expect((await dev.command('agent', 'health')).code).toBe(0)
  expect((await dev.command('server', 'clock', 'accept')).code).toBe(0)
  expect((await dev.command('entry', 'delete', '--id', entry.id)).stdout).toContain(entry.id)
  expect((await dev.command('entry', 'show', '--id', entry.id)).stderr).toContain('entry-not-found')

  expect(await dev.stop()).toBe(0)
  expect(existsSync(dirname(dev.socket))).toBe(false)

  // The agent's SVID and all authorities are over by then: it joins anew, and the entry of the user moves on.
  const again = await startDev(folder, aDayLater)
  const [anew] = (await again.json('agent', 'list')) as { id: string; connected: boolean }[]
  expect(anew?.connected).toBe(true)
  expect(anew?.id).not.toBe(agent?.id)
  expect(await again.json('entry', 'count')).toEqual({ count: 1 })
  expect(await again.stop()).toBe(0)
  expect(existsSync(dirname(dev.socket))).toBe(false)
}, 300_000)

test('dev that is stopped before it is up ends well, joins anew where it was evicted, and says that it is banned', async () => {
  const cwd = mkdtempSync(join(top, 'early-'))
  const sockets = socketFolder(join(cwd, '.countersign'), {}, process.getuid?.() ?? 0)
  const early = launch(cwd)
  let said = ''
  early.stderr?.on('data', (chunk) => {
    said += String(chunk)
  })
  const admin = join(sockets, 'admin.sock')
  await expect.poll(() => existsSync(admin), { interval: 5, timeout: 100_000 }).toBe(true)
  early.kill('SIGINT')
  expect(await new Promise((resolve) => early.on('close', resolve))).toBe(0)
  expect(said).toBe('stopped\n')
  expect(existsSync(sockets)).toBe(false)

  const dev = await startDev(cwd)
  const agentIds = async () =>
    ((await dev.json('agent', 'list')) as { id: string }[]).map(({ id }) => id)
  const [first = ''] = await agentIds()
  expect((await dev.command('agent', 'evict', '--id', first)).code).toBe(0)
  // It joins anew by itself, and the entry of the user moves on to its new ID.
  await expect.poll(agentIds).toEqual([expect.not.stringMatching(`^${first}$`)])
  await expect.poll(async () => (await dev.command('fetch', 'x509')).code).toBe(0)
  const [anew = ''] = await agentIds()
  expect((await dev.command('agent', 'ban', '--id', anew)).code).toBe(0)
  await expect.poll(async () => (await dev.command('agent', 'health')).code).toBe(69)
  const health = await dev.command('agent', 'health')
  expect(health.stdout).toMatch(/NOT_SERVING\nreason\s+agent-banned/)
  expect(health.stderr).toContain('error[agent-banned]')
  expect(await dev.stop()).toBe(0)

  // A start goes on with the identity of before.
  const banned = launch(cwd)
  const told = new Promise<void>((resolve) => {
    banned.stderr?.on('data', (chunk) => {
      if (String(chunk).includes('this agent is banned')) resolve()
    })
  })
  await told
  banned.kill('SIGINT')
  expect(await new Promise((resolve) => banned.on('close', resolve))).toBe(0)
  rmSync(sockets, { recursive: true, force: true })
}, 300_000)
