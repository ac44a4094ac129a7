import { spawnSync } from 'node:child_process'
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { eventually } from '../../src/testing/eventually.ts'
import { X509Source } from '../../src/workload-api/x509-source.ts'
import { freePort } from '../support/free-port.ts'
import { type Handshakes, runAgain, shakeHands, shakeOnce } from './handshakes.ts'
import { argumentsOf, block } from './page.ts'
import { lacks, leastChanges, type Stand, seconds, startStand } from './stand.ts'

const http = [
  'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n',
  /^HTTP\/1\.1 200 .*hello/s,
] as const
const timeout = seconds * 1000 + 600_000

async function shakeAll(
  stand: Stand,
  port: number,
  request: string,
  answer: RegExp,
  name: string,
): Promise<void> {
  await using source = await X509Source.open({ endpoint: stand.api.endpoint })
  // The other side has shown new certificates all along.
  const isEnough = ({ done, certificates }: Handshakes) =>
    done > seconds * 5 && certificates > leastChanges
  await allGood(stand, name, isEnough, (over) => shakeHands(source, port, request, answer, over))
}

/** No handshake fails until there were enough. */
async function allGood(
  stand: Stand,
  name: string,
  isEnough: (so: Handshakes) => boolean,
  shake: (over: (so: Handshakes) => boolean) => Promise<Handshakes>,
): Promise<void> {
  let shaken: Handshakes = { done: 0, failures: [], certificates: 0 }
  const rotations = await stand.during(async (over) => {
    shaken = await shake((so) => over(so.failures.length > 0 || isEnough(so)))
  })
  process.stderr.write(`${name}: ${JSON.stringify({ rotations, ...shaken })}\n`)
  expect(shaken.failures.slice(0, 5)).toEqual([])
  expect(rotations).toBeGreaterThan(leastChanges)
  expect(isEnough(shaken)).toBe(true)
}

async function startNginx(stand: Stand): Promise<number> {
  const { folder } = stand
  const [svid, pid, port] = [join(folder, 'svid'), join(folder, 'nginx.pid'), await freePort()]
  const places = { '/run/web/svid': svid }
  await stand.files(argumentsOf(block('nginx', { ...places, '/run/nginx.pid': pid })))
  const server = block('nginx.conf', { ...places, '127.0.0.1:8443': `127.0.0.1:${port}` })
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; pid ${pid}; error_log stderr; events {}\nhttp { access_log off;\n${server}\n}`,
  )
  await stand.program('nginx', ['-p', folder, '-c', join(folder, 'nginx.conf')], () =>
    existsSync(pid),
  )
  return port
}

test.concurrent('nginx takes new files at a reload, and no handshake fails', {
  timeout,
  skip: lacks('nginx'),
}, async () => {
  await using stand = await startStand()
  const port = await startNginx(stand)
  await shakeAll(stand, port, ...http, 'nginx')
})

test.concurrent('HAProxy takes new certificates over its runtime socket, without a reload, and no handshake fails', {
  timeout,
  skip: lacks('haproxy', 'socat'),
}, async () => {
  await using stand = await startStand()
  const { folder } = stand
  const [admin, port] = [join(folder, 'admin.sock'), await freePort()]
  const svid = { '/run/web/svid': join(folder, 'svid') }
  const bundle = { '/etc/haproxy/bundle.pem': join(folder, 'bundle.pem') }
  const socket = { '/run/haproxy/admin.sock': admin }
  const pid = { '/run/haproxy.pid': join(folder, 'haproxy.pid') }
  const renew = join(folder, 'haproxy-renew')
  writeFileSync(renew, block('haproxy-renew', { ...svid, ...bundle, ...socket, ...pid }))
  await stand.files(argumentsOf(block('haproxy', { ...svid, '/etc/haproxy/haproxy-renew': renew })))
  copyFileSync(join(folder, 'svid/bundle.pem'), join(folder, 'bundle.pem'))
  const config = join(folder, 'haproxy.cfg')
  const places = { ...svid, ...bundle, ...socket, '127.0.0.1:8443': `127.0.0.1:${port}` }
  writeFileSync(config, `${block('haproxy.cfg', places)}\n`)
  const args = ['-W', '-db', '-p', join(folder, 'haproxy.pid'), '-f', config]
  await stand.program('haproxy', args, () => existsSync(admin))
  const processes = (): string => spawnSync('pgrep', ['-f', `haproxy.*${config}`]).stdout.toString()
  await using source = await X509Source.open({ endpoint: stand.api.endpoint })
  const isTrusted = () => shakeOnce(source, port, ...http).then(Boolean, () => false)
  // The socket is there before the process that serves.
  await eventually(isTrusted, 60_000)
  const before = processes()
  await shakeAll(stand, port, ...http, 'HAProxy')
  expect(processes()).toBe(before)
  // A new CA: each side shows what only the new bundle vouches for.
  await stand.api.rotate({ authorities: true })
  await eventually(isTrusted, 60_000)
})

test.concurrent('Redis takes new files by CONFIG SET, and no handshake fails', {
  timeout,
  skip: lacks('redis-server', 'redis-cli'),
}, async () => {
  await using stand = await startStand()
  const { folder } = stand
  const [svid, socket, port] = [join(folder, 'svid'), join(folder, 'redis.sock'), await freePort()]
  const places = { '/run/cache/svid': svid, '/run/redis/redis.sock': socket }
  const renew = join(folder, 'redis-renew')
  writeFileSync(renew, block('redis-renew', places))
  await stand.files(
    argumentsOf(block('redis', { '/run/cache/svid': svid, '/etc/redis/redis-renew': renew })),
  )
  const config = join(folder, 'redis.conf')
  writeFileSync(
    config,
    `${block('redis.conf', { ...places, 'tls-port 6379': `tls-port ${port}` })}\nsave ""\n`,
  )
  await stand.program('redis-server', [config], () => existsSync(socket))
  await shakeAll(stand, port, 'PING\r\n', /^\+PONG/, 'Redis')
})

test.concurrent('curl shows its SVID and checks nginx’s, and no handshake fails', {
  timeout,
  skip: lacks('nginx', 'curl'),
}, async () => {
  await using stand = await startStand()
  const port = await startNginx(stand)
  // The page's nginx has files of its own; the client's are others.
  const app = join(stand.folder, 'app')
  await stand.files(['files', '--dir', app])
  const script = block('curl', { '/run/app/svid': app, 'localhost:8443': `localhost:${port}` })
  await runAll(stand, 'curl', script, 'hello')
})

const postgres = '/usr/lib/postgresql'
const programs = existsSync(postgres)
  ? join(postgres, readdirSync(postgres).sort((a, b) => Number(b) - Number(a))[0] ?? '', 'bin')
  : ''

test.concurrent('PostgreSQL and psql show each other their SVIDs, and no handshake fails', {
  timeout,
  skip: lacks(join(programs, 'postgres'), 'psql'),
}, async () => {
  await using stand = await startStand()
  const { folder } = stand
  const nobody = 65534
  const [svid, home, app, port] = [
    join(folder, 'svid'),
    join(folder, 'db'),
    join(folder, 'app'),
    await freePort(),
  ]
  const data = join(home, 'data')
  mkdirSync(home)
  chownSync(home, nobody, nobody)
  const as = { uid: nobody, gid: nobody, cwd: home, encoding: 'utf8' } as const
  const made = spawnSync(
    join(programs, 'initdb'),
    ['-D', data, '-U', 'app', '-A', 'trust', '--no-sync'],
    as,
  )
  if (made.status !== 0) throw new Error(made.stderr)
  const line = block('postgresql', {
    '/run/db/svid': svid,
    '--owner postgres': `--owner ${nobody}:${nobody}`,
    '/var/lib/postgresql/data': data,
  })
  await stand.files(argumentsOf(line))
  await stand.files(['files', '--dir', app])
  writeFileSync(join(data, 'pg_hba.conf'), `${block('pg_hba.conf', { 'scram-sha-256': 'trust' })}`)
  const config = `${block('postgresql.conf', { '/run/db/svid': svid })}\nlisten_addresses = '127.0.0.1'\nport = ${port}\nunix_socket_directories = ''\nfsync = off\n`
  writeFileSync(join(data, 'postgresql.conf'), config)
  // The file is there before anybody is let in; its last line says when that is.
  const pid = join(data, 'postmaster.pid')
  const isReady = () => existsSync(pid) && /^ready *$/m.test(readFileSync(pid, 'utf8'))
  await stand.program(join(programs, 'postgres'), ['-D', data], isReady, nobody)
  const script = block('psql', {
    '/run/app/svid': app,
    'port=5432': `port=${port}`,
    'dbname=app': 'dbname=postgres',
    'host=localhost': 'host=localhost hostaddr=127.0.0.1',
  })
  await runAll(stand, 'PostgreSQL', script, '1')
})

async function runAll(stand: Stand, name: string, script: string, answer: string): Promise<void> {
  const isEnough = ({ done }: Handshakes) => done > seconds
  await allGood(stand, name, isEnough, (over) => runAgain(script, answer, over))
}
