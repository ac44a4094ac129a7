import { execFile, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { oauthSchema, readOauth } from '../../server/oauth/settings.ts'
import { type Log, silentLog } from '../../src/runtime/log.ts'
import type { SpiffeId } from '../../src/spiffe-id/spiffe-id.ts'
import { eventually } from '../../src/testing/eventually.ts'
import { freePort } from '../support/free-port.ts'
import { policyFolder } from '../support/oauth.ts'
import { type RawVendor, startRawVendor } from '../support/raw-vendor.ts'
import { agentIdOf, type RunningAgent, startAgent } from '../support/running-agent.ts'
import {
  type RunningServer,
  startServer,
  trustDomain,
  wireEntry,
} from '../support/running-server.ts'
import { type WebCertificate, webCertificate } from '../support/web-certificate.ts'

const bin = fileURLToPath(new URL('../../src/cli/bin.ts', import.meta.url))
const page = readFileSync(new URL('../../docs/broker.md', import.meta.url), 'utf8')
// What starts the server anew is not for this one, which knows the resource from its start.
const [resources, policies, , setUp, config, run, call, report] = blocksOf('One example') as [
  ...[string, string, string, string, string, string, string, string],
]
const [anotherKey = ''] = blocksOf('Another key')
const key = 'made-up-key-of-acme'
/** Each line of the page starts some processes. */
const patienceMs = 240_000

let folder: string
let web: WebCertificate
let server: RunningServer
let agent: RunningAgent
let vendor: RawVendor
let policy: string
let parent: SpiffeId
let ports: Readonly<Record<string, number>>

function blocksOf(heading: string): readonly string[] {
  const [section = ''] = page.split(`\n## ${heading}\n`)[1]?.split('\n## ') ?? []
  return [...section.matchAll(/^```\w*\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block)
}

/** The page, with this test's ports in the place of its own. */
function here(text: string): string {
  const localVendor = `https://localhost:${vendor?.port}\n    ca: ${web?.ca}\n    networks: [127.0.0.0/8]`
  const monitoring = `127.0.0.1:${ports['monitoring']}`
  return text
    .replaceAll('8443', String(ports['issuer']))
    .replaceAll('8444', String(ports['broker']))
    .replaceAll('sleep 1;', 'sleep 0.1;')
    .replace('https://api.acme.example', localVendor)
    .replace('127.0.0.1:8445', monitoring)
    .replace(
      'socket: agent/public/api.sock',
      `socket: ${agent?.socket}\nhttp_address: ${monitoring}`,
    )
}

async function typed(lines: string): Promise<string> {
  const inBackground = lines.replaceAll('2> broker.log &', '> broker.log 2>&1 & echo $! > pid')
  const { stdout } = await promisify(execFile)('sh', ['-ec', here(inBackground)], {
    cwd: folder,
    env: {
      ...{ PATH: `${folder}:${process.env['PATH']}`, HOME: folder, parent },
      COUNTERSIGN_ADMIN_SOCKET: server.config.adminSocket,
      SPIFFE_ENDPOINT_SOCKET: `unix://${agent.socket}`,
    },
  })
  return stdout
}

/**
 * The call of the page: what the vendor was sent, and its answer. The broker takes none while its feed is late, and waits
 * five seconds for a handshake: on a busy machine a call may fail by either, and is made again.
 */
async function called(): Promise<{ readonly sent: string; readonly answer: string }> {
  let answer = ''
  const reached = async (): Promise<boolean> => {
    const before = vendor.requests.length
    answer = await typed(call).catch(String)
    return vendor.requests.length > before
  }
  await eventually(reached, patienceMs / 2).catch(() => expect.fail(answer))
  return { sent: vendor.requests.at(-1) ?? '', answer }
}

const missing = ['curl'].filter((program) => spawnSync(program, ['--version']).error !== undefined)
const title = 'docs/broker.md as it is typed'
if (missing.length > 0) {
  test(title, (context) => context.skip(`this machine lacks ${missing.join(', ')}`))
} else {
  describe(title, { timeout: patienceMs }, typing)
}

function typing(): void {
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cs-typed-'))
    ports = { issuer: await freePort(), broker: await freePort(), monitoring: await freePort() }
    web = await webCertificate('localhost')
    vendor = await startRawVendor(web)
    policy = policyFolder(here(policies))
    symlinkSync(policy, join(folder, 'policy'))
    symlinkSync(web.ca, join(folder, 'web.pem'))
    writeFileSync(
      join(folder, 'countersign'),
      `#!/bin/sh\nexec '${process.execPath}' '${bin}' "$@"\n`,
      {
        mode: 0o755,
      },
    )
    const listening = Promise.withResolvers<void>()
    const log: Log = {
      ...silentLog,
      info(message) {
        if (message === 'access tokens are issued') listening.resolve()
      },
    }
    const said = oauthSchema.parse({
      ...{ issuer: here('https://localhost:8443'), address: here('127.0.0.1:8443') },
      ...{ certificate: web.certificate, key: web.key, policy },
      resources: parse(here(resources)),
    })
    server = await startServer({ log, overrides: { oauth: readOauth(said, trustDomain) } })
    await listening.promise
    agent = await startAgent(server)
    parent = await agentIdOf(server)
    const mine = [`unix:uid:${process.getuid?.()}`]
    await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
      entries: [wireEntry({ path: '/web', parent, selectors: mine })],
    })
  })

  afterAll(async () => {
    try {
      process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')))
    } catch {
      // It has never begun.
    }
    await agent?.stop()
    await server?.remove()
    await vendor?.close()
    for (const one of [folder, web.folder, policy]) rmSync(one, { recursive: true, force: true })
  })

  test('a workload calls the vendor, and has never seen the key', async () => {
    await typed(setUp)
    writeFileSync(join(folder, 'broker.yaml'), here(config))
    expect(await typed(run)).toContain('the configuration is good')
    vendor.answer = () => `HTTP/1.1 200 OK\r\ncontent-length: ${key.length}\r\n\r\n${key}`
    const { sent, answer } = await called()
    expect(answer).toBe('*'.repeat(key.length))
    expect(sent).toMatch(/^GET \/v2\/contacts HTTP\/1\.1\r\n/)
    expect(sent).toContain(`\r\nx-api-key: ${key}\r\n`)
    expect(sent).not.toContain('Bearer')
  })

  test('another key is put in its place', async () => {
    expect(await typed(anotherKey)).toMatch(
      /^INTEGRATION .* KEY BEFORE USED +CALLS\nacme-crm +sales +open .* +never +(?:now|\d+[sm] ago) +\d+$/m,
    )
    expect((await called()).sent).toContain('\r\nx-api-key: another-made-up-key\r\n')
  })

  test('the key can be changed, the report tells of it, and all that was written holds no key', async () => {
    const pid = Number(readFileSync(join(folder, 'pid'), 'utf8'))
    await typed(
      'printf another-key-of-acme | countersign broker seal --config broker.yaml --integration acme-crm --secret-file - > acme.sealed && chmod 600 acme.sealed',
    )
    expect(
      await typed(
        'printf another-key-of-acme | countersign broker seal --config broker.yaml --integration acme-cmr --secret-file - 2>&1 || true',
      ),
    ).toMatch(/integration-unknown.*\n.*did you mean acme-crm/)
    const sealed = here(config).replace('{file: acme.key}', '{sealed: acme.sealed}')
    writeFileSync(join(folder, 'broker.yaml'), sealed)
    process.kill(pid, 'SIGHUP')
    const written = (name: string): string => readFileSync(join(folder, name), 'utf8')
    await eventually(() => written('broker.log').includes('has been read again'), patienceMs / 4)
    expect((await called()).sent).toContain('\r\nx-api-key: another-key-of-acme\r\n')
    process.kill(pid, 'SIGTERM')
    await eventually(() => written('broker.log').includes('the broker has stopped'), patienceMs / 4)
    expect(await typed(report)).toMatch(
      /^INTEGRATION +OWNER .*\nacme-crm +sales +open .* (?:now|\d+[sm] ago) +(?:now|\d+[sm] ago) +\d+$/m,
    )
    await typed('countersign audit verify broker/audit.log')
    for (const name of [
      'broker.log',
      'broker/audit.log',
      'broker/credentials.json',
      'acme.sealed',
    ]) {
      for (const one of [key, 'another-made-up-key', 'another-key-of-acme'])
        expect(written(name)).not.toContain(one)
    }
  })
}
