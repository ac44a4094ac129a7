import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { type Ended, run, start } from '../support/command.ts'

// A folder with a space in it, and too long a path for a socket below it.
const top = mkdtempSync(join(tmpdir(), 'cs-dev-'))
const folder = mkdtempSync(join(top, `a place ${'with a long name '.repeat(6)}`))

afterAll(() => rmSync(top, { recursive: true, force: true }))

interface Dev {
  readonly socket: string
  /** Milliseconds from the start of the process until both SVIDs were shown. */
  readonly shownMs: number
  readonly text: string
  stop(): Promise<number | null>
  /** Another command, in the same folder, with what dev told to export. */
  command(...args: readonly string[]): Promise<Ended>
  json(...args: readonly string[]): Promise<unknown>
}

async function startDev(): Promise<Dev> {
  const startedMs = performance.now()
  const child = start(['dev'], { cwd: folder })
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
  const command = (...args: readonly string[]) =>
    run(args, { cwd: folder, env: { SPIFFE_ENDPOINT_SOCKET: `unix://${socket}` } })
  return {
    socket,
    shownMs: performance.now() - startedMs,
    text,
    command,
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

test('dev shows both SVIDs, serves every verb, stops without a trace, and starts again where it ended', async () => {
  const dev = await startDev()
  expect(dev.shownMs).toBeLessThan(3000 * 3)
  expect(dev.text).toContain('Your X.509-SVID')
  expect(dev.text).toContain('Your JWT-SVID')
  expect(dev.text).not.toContain('PRIVATE KEY')

  const second = await run(['dev'], { cwd: folder })
  expect(second.code).toBe(1)
  expect(second.stderr).toContain('dev-running')

  const [agent] = (await dev.json('agent', 'list')) as { id: string; connected: boolean }[]
  expect(agent?.connected).toBe(true)
  const created = await dev.command(
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
  const { token } = (await dev.json(
    ...['fetch', 'jwt', '--audience', 'a', '--spiffe-id', 'spiffe://example.org/web'],
  )) as { token: string }
  const validate = (audience: string) =>
    run(['validate', 'jwt', '--audience', audience, '--token-file', '-'], {
      env: { SPIFFE_ENDPOINT_SOCKET: `unix://${dev.socket}` },
      input: token,
    })
  expect((await validate('a')).stdout).toContain('spiffe://example.org/web')
  expect((await validate('b')).code).toBe(1)

  const keyed = (await dev.command('fetch', 'x509', '--show-key', '-o', 'json')).stdout
  expect(keyed).toContain('PRIVATE KEY')
  expect((await dev.command('fetch', 'x509', '-o', 'json')).stdout).not.toContain('PRIVATE KEY')
  expect((await dev.command('fetch', 'bundles')).stdout).toContain('spiffe://example.org')
  expect((await dev.command('bundle', 'show')).stdout).toContain('BEGIN CERTIFICATE')
  expect((await dev.command('bundle', 'list')).stderr).toContain('none')
  expect(await dev.json('token', 'create')).toMatchObject({
    token: expect.stringMatching(/^\w{32}$/),
  })
  expect(
    (await dev.command('svid', 'mint', 'x509', '--spiffe-id', 'spiffe://example.org/x')).stdout,
  ).toContain('keyPem')
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

  const stopMs = performance.now()
  expect(await dev.stop()).toBe(0)
  expect(performance.now() - stopMs).toBeLessThan(5000)
  expect(existsSync(dev.socket)).toBe(false)
  expect(readdirSync(dirname(dev.socket))).toEqual([])

  const again = await startDev()
  expect(await again.json('agent', 'list')).toMatchObject([{ id: agent?.id, connected: true }])
  expect(await again.json('entry', 'count')).toEqual({ count: 1 })
  expect(await again.stop()).toBe(0)
  rmSync(dirname(dev.socket), { recursive: true, force: true })
}, 60_000)
