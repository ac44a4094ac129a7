import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../src/testing/eventually.ts'
import { run, runHere, start } from '../support/command.ts'
import { startApi, web } from '../support/fake-api.ts'
import { read, temporaryFolder } from '../unit/files/fixture.ts'

test('files are written once, under the names and with the mode that were asked for', async () => {
  const api = await startApi()
  await api.grant(web)
  const dir = join(temporaryFolder(), 'svid')
  const password = join(temporaryFolder(), 'password')
  writeFileSync(password, 'changeit\n')
  const { code, stderr } = await run([
    ...['files', '--once', '--dir', dir, '--socket', api.endpoint, '--mode', '0640'],
    ...['--key', 'tls.key', '--cert', 'tls.crt', '--bundle', 'ca.crt', '--combined', 'all.pem'],
    ...['--pkcs12', 'svid.p12', '--pkcs12-password-file', password],
    ...['--jwt', 'https://api.example.org/?a=b=api.jwt', '--jwt', 'db=db.jwt'],
  ])
  expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringContaining(web) })
  expect(read(dir, 'all.pem')).toBe(read(dir, 'tls.crt') + read(dir, 'tls.key'))
  expect(statSync(join(dir, 'tls.key')).mode & 0o777).toBe(0o640)
  const claims = (name: string) =>
    JSON.parse(Buffer.from(read(dir, name).split('.')[1] ?? '', 'base64url').toString())
  expect(claims('api.jwt').aud).toEqual(['https://api.example.org/?a=b'])
  expect(claims('db.jwt').aud).toEqual(['db'])
  const status = await runHere(['files', '--status', '--dir', dir, '-o', 'json'])
  expect(status.code).toBe(0)
  expect(JSON.parse(status.stdout)).toMatchObject({ spiffeId: web, problems: [] })
})

test('what cannot be meant is refused before anything is written', async () => {
  const dir = join(temporaryFolder(), 'svid')
  const codeOf = async (...args: string[]) =>
    (await runHere(['files', '--dir', dir, '--socket', 'unix:///nowhere', ...args])).code
  expect(await codeOf('--mode', '0644')).toBe(64)
  expect(await codeOf('--mode', '0777')).toBe(64)
  expect(await codeOf('--jwt', 'audience')).toBe(64)
  expect(await codeOf('--pkcs12', 'svid.p12')).toBe(64)
  expect(await codeOf('--signal', 'HUP')).toBe(64)
  expect(await codeOf('--signal', 'HANG', '--pid-file', 'x')).toBe(64)
  expect(await codeOf('--on-renew', 'true', '--signal', 'HUP', '--pid-file', 'x')).toBe(64)
  expect(await codeOf('--owner', 'nobody-of-that-name')).toBe(64)
  expect(await codeOf('--key', '../key.pem')).toBe(64)
  expect(() => statSync(dir)).toThrow()
})

test('the service manager is told when the files are there; a renewal tells the program; SIGTERM ends it well', async () => {
  const folder = temporaryFolder()
  const notify = join(folder, 'notify')
  // Node has no datagrams over Unix sockets.
  const listener = spawn('python3', [
    '-c',
    'import socket,sys; s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("bound",flush=True); print(s.recv(100).decode(),flush=True)',
    notify,
  ])
  onTestFinished(() => void listener.kill())
  const lines = createInterface(listener.stdout)[Symbol.asyncIterator]()
  await lines.next()
  const api = await startApi()
  const dir = join(folder, 'svid')
  const child = start(
    ['files', '--dir', dir, '--on-renew', `cp "$COUNTERSIGN_DIR/cert.pem" ${folder}/told`],
    { env: { SPIFFE_ENDPOINT_SOCKET: api.endpoint, NOTIFY_SOCKET: notify } },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  // It waits for an identity.
  await eventually(() => api.calls.length > 0)
  await api.grant(web)
  expect(await lines.next()).toMatchObject({ value: 'READY=1' })
  await api.rotate()
  await eventually(() => told() === read(dir, 'cert.pem'))
  const ended = once(child, 'exit')
  child.kill('SIGTERM')
  expect(await ended).toEqual([0, null])

  function told(): string {
    try {
      return readFileSync(join(folder, 'told'), 'utf8')
    } catch {
      return ''
    }
  }
})
