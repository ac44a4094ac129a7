import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { runHere, start } from '../support/command.ts'
import { freePort } from '../support/free-port.ts'
import {
  allowWeb,
  ask,
  assertionType,
  form,
  formHeaders,
  issuer,
  orders,
  policyFolder,
} from '../support/oauth.ts'
import { webCertificate } from '../support/web-certificate.ts'

const held = 'canary-in-the-memory-of-another'
const folder = mkdtempSync(join(tmpdir(), 'cs-secrets-'))
const children: ChildProcess[] = []
const removed = [folder]

afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
  for (const one of removed) rmSync(one, { recursive: true, force: true })
})

/**
 * All that a process says on either stream. T23: its intrinsics are frozen, so that whatever changed one would throw, and
 * what follows would not come about.
 */
function launch(args: readonly string[]): { readonly pid: number; said(): string } {
  const env = { NODE_OPTIONS: '--frozen-intrinsics --disable-warning=ExperimentalWarning' }
  const child = start([...args, '--log-level', 'debug'], { cwd: folder, env })
  children.push(child)
  let text = ''
  const hear = (chunk: unknown): void => {
    text += String(chunk)
  }
  child.stdout?.on('data', hear)
  child.stderr?.on('data', hear)
  return { pid: child.pid ?? 0, said: () => text }
}

/** The core dump of a process that is aborted here and now; undefined where this machine puts it elsewhere. */
async function coreOf(child: ChildProcess | undefined): Promise<Buffer | undefined> {
  const pattern = readFileSync('/proc/sys/kernel/core_pattern', 'utf8').trim()
  if (child?.pid === undefined || pattern !== 'core') return undefined
  execFileSync('prlimit', ['--pid', String(child.pid), '--core=unlimited'])
  const ended = once(child, 'exit')
  child.kill('SIGABRT')
  await ended
  const name = readdirSync(folder).find((one) => /^core(\.\d+)?$/.test(one))
  if (name === undefined) return undefined
  const core = readFileSync(join(folder, name))
  rmSync(join(folder, name))
  return withoutNotes(core)
}

/** Registers are in it whatever is left out, and one of them holds 64 bytes of what was copied last. */
function withoutNotes(core: Buffer): Buffer {
  const [at, size, count] = [core.readBigUInt64LE(32), core.readUInt16LE(54), core.readUInt16LE(56)]
  for (let n = 0; n < count; n += 1) {
    const header = core.subarray(Number(at) + n * size)
    if (header.readUInt32LE(0) !== 4) continue
    const from = Number(header.readBigUInt64LE(8))
    core.fill(0, from, from + Number(header.readBigUInt64LE(32)))
  }
  return core
}

/** What nobody but its owner may find, as text or as bytes, however it was written down. */
function formsOf(secret: string | Buffer): readonly string[] {
  if (typeof secret === 'string')
    return [secret, Buffer.from(secret).toString('base64').slice(0, -4)]
  return (['base64', 'base64url', 'hex'] as const).map((form) => secret.toString(form).slice(4, 40))
}

/** Each private key, PKCS#8, that stands in a text: as PEM, or as base64 in JSON. */
function keysIn(text: string): Buffer[] {
  const found = text.matchAll(/(?:BEGIN PRIVATE KEY-----|"private_key":\s*")([A-Za-z0-9+/=\s]+)/g)
  return Array.from(found, ([, body = '']) => Buffer.from(body, 'base64'))
}

/** What is in the files below a folder; sockets have nothing to say. */
function textsBelow(path: string): string[] {
  const found = readdirSync(path, { recursive: true, withFileTypes: true })
  return found
    .filter((one) => one.isFile())
    .map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'utf8'))
}

test('T21 T23 T28 no secret is in what server and agent print at level debug, on record, in metrics or in a list of processes, and one line is one of JSON', async () => {
  const web = await webCertificate('as.example.org')
  const policy = policyFolder(allowWeb)
  removed.push(web.folder, policy)
  const [port, http, oauth] = [await freePort(), await freePort(), await freePort()]
  const config = join(folder, 'server.yaml')
  const settings = {
    ...{ trust_domain: 'example.org', data_dir: join(folder, 'server') },
    ...{ bind_address: `127.0.0.1:${port}`, http_address: `127.0.0.1:${http}` },
    oauth: {
      ...{
        issuer,
        address: `127.0.0.1:${oauth}`,
        certificate: web.certificate,
        key: web.key,
        policy,
      },
      resources: [{ id: orders, scopes: ['orders:read'], max_ttl: '5m' }],
    },
  }
  writeFileSync(config, JSON.stringify(settings))
  const server = launch(['server', 'run', '--config', config])
  const admin = (...args: readonly string[]) =>
    runHere([...args, '--admin-socket', join(folder, 'server', 'admin', 'api.sock')])
  expect((await admin('server', 'health', '--wait')).code).toBe(0)
  const { token } = JSON.parse((await admin('token', 'create', '-o', 'json')).stdout) as {
    token: string
  }
  const guessed = 'canary-join-token-that-nobody-gave'
  const join1 = (name: string, text: string) => {
    const file = join(folder, `${name}.token`)
    writeFileSync(file, text, { mode: 0o600 })
    return launch([
      ...['agent', 'run', '--trust-domain', 'example.org', '--insecure-bootstrap'],
      ...['--server-address', `127.0.0.1:${port}`, '--data-dir', join(folder, name)],
      ...['--join-token-file', file],
    ])
  }
  const [agent, refused] = [join1('agent', token), join1('refused', guessed)]
  const workload = (...args: readonly string[]) =>
    runHere([...args, '--socket', `unix://${join(folder, 'agent', 'public', 'api.sock')}`])
  expect((await workload('agent', 'health', '--wait')).code).toBe(0)
  const listed = await admin('agent', 'list', '-o', 'json')
  const [{ id } = { id: '' }] = JSON.parse(listed.stdout) as { id: string }[]
  const uid = `unix:uid:${process.getuid?.()}`
  await admin(
    ...['entry', 'create', '--parent-id', id, '--spiffe-id', 'spiffe://example.org/web'],
    ...['--selector', uid, '--wait'],
  )
  const fetched = await workload('fetch', 'jwt', '--audience', issuer, '-o', 'json')
  const [{ token: svid } = { token: '' }] = JSON.parse(fetched.stdout) as { token: string }[]
  const shown = await workload('fetch', 'x509', '--show-key', '-o', 'json')
  const [{ keyPem } = { keyPem: '' }] = JSON.parse(shown.stdout) as { keyPem: string }[]

  const proof = { client_assertion_type: assertionType, client_assertion: svid }
  const post = (path: string, values: Record<string, string>, headers = {}) =>
    ask(oauth, web, path, {
      method: 'POST',
      headers: { ...formHeaders, ...headers },
      body: form(values),
    })
  const wish = { grant_type: 'client_credentials', resource: orders, scope: 'orders:read' }
  const issued = await post('/oauth/token', { ...wish, ...proof })
  const { access_token } = JSON.parse(issued.body) as { access_token: string }
  const secrets = ['canary-client-secret-of-nobody', 'canary-basic-credentials-of-nobody']
  const bearer = { authorization: `Bearer ${access_token}` }
  const nasty = 'a\n{"b":1}\r\u001b]0;c\u0007\u2028\u2029\u0085"}'
  for (const answer of [
    // In every place in which somebody could put one by mistake.
    await post('/oauth/token', { ...wish, client_id: svid, client_secret: secrets[0] ?? '' }),
    await post('/oauth/token', wish, { authorization: `Basic ${secrets[1]}` }),
    await post('/oauth/token', { ...wish, ...proof, scope: access_token, resource: svid }),
    await post('/oauth/token', { ...proof, grant_type: access_token, resource: access_token }),
    await post('/oauth/introspect', { ...proof, token: access_token, token_type_hint: svid }),
    await post('/oauth/token', {
      ...wish,
      ...proof,
      scope: nasty,
      resource: nasty,
      client_id: nasty,
    }),
    await post('/oauth/revoke', { token: nasty, client_assertion: nasty, [nasty]: nasty }),
    await post(`/oauth/${access_token}`, proof, { 'user-agent': svid, traceparent: svid }),
    await ask(oauth, web, `/oauth/feed?nonce=${access_token}&client_id=${svid}`, {
      headers: bearer,
    }),
    await post('/oauth/revoke', { ...proof, token: access_token }),
  ]) {
    expect(answer.status).toBeLessThan(500)
  }
  await expect.poll(() => refused.said()).toContain('join-token')
  connect(port, '127.0.0.1').end('this is no TLS\n')
  await expect.poll(() => server.said()).toContain('"level":"debug"')
  const metrics = await (await fetch(`http://127.0.0.1:${http}/metrics`)).text()
  const said = {
    ...{ server: server.said(), agent: agent.said(), refused: refused.said(), metrics },
    audit: readFileSync(join(folder, 'server', 'audit.log'), 'utf8'),
    processes: [server, agent, refused]
      .map(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
      .join(),
  }
  for (const { pid } of [server, agent]) {
    expect(readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')).toEqual(
      expect.arrayContaining(['--disable-proto=delete', '--disable-sigusr1']),
    )
    expect(Number(`0x${readFileSync(`/proc/${pid}/coredump_filter`, 'utf8')}`)).toBe(0)
  }
  const holding = [readFileSync(web.key, 'utf8'), keyPem, ...textsBelow(join(folder, 'agent'))]
  const wrapping = readFileSync(join(folder, 'server', 'wrapping.key'))
  const keys = [...holding.flatMap(keysIn), wrapping]
  // The payload of a token is what it tells; its signature is what makes it one.
  const tokens = [svid, access_token].map((one) => one.slice(-60))
  const all = [token, guessed, ...secrets, ...tokens, ...keys].flatMap(formsOf)
  // The web server’s, the workload’s, the agent’s and the wrapping key.
  expect(keys.map(({ length }) => length > 30)).toEqual([true, true, true, true])
  // What may be told is: this looks where it should.
  expect(said.audit).toContain('"spiffe://example.org/web"')
  for (const [where, text] of Object.entries(said)) {
    expect(text.length).toBeGreaterThan(100)
    expect([where, all.filter((one) => text.includes(one))]).toEqual([where, []])
  }
  for (const text of [said.server, said.agent, said.refused, said.audit]) {
    // The last one may not be there whole yet.
    for (const line of text.split('\n').slice(0, -1)) {
      expect(() => JSON.parse(line)).not.toThrow()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
      expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/)
    }
  }

  // In the memory of others there is what they hold: this looks where it should.
  const other = spawn('sleep', ['60'], { cwd: folder, env: { ...process.env, HELD: held } })
  children.push(other)
  await once(other, 'spawn')
  const dumped = await coreOf(other)
  expect(dumped?.includes(held)).not.toBe(false)
  for (const child of children.slice(0, 2)) {
    const core = await coreOf(child)
    expect(core === undefined).toBe(dumped === undefined)
    const found = [...all, ...keys].filter((one) => core?.includes(one))
    expect([core?.subarray(1, 4).toString() ?? 'ELF', found]).toEqual(['ELF', []])
  }
}, 300_000)
