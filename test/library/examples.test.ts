import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { agentIdOf, type RunningAgent, startAgent } from '../support/running-agent.ts'
import { type RunningServer, startServer, wireEntry } from '../support/running-server.ts'

const folder = fileURLToPath(new URL('../../examples/', import.meta.url))
const web = 'spiffe://example.org/web'
let server: RunningServer
let agent: RunningAgent

// Each program is a process or two, which take a busy machine their time.
vi.setConfig({ testTimeout: 300_000 })

beforeAll(async () => {
  server = await startServer()
  agent = await startAgent(server)
  const parent = await agentIdOf(server)
  const selectors = [`unix:uid:${process.getuid?.()}`]
  await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', { entries: [wireEntry({ path: '/web', parent, selectors })] })
})

afterAll(async () => {
  await agent.stop()
  await server.remove()
})

function start(name: string, ...args: readonly string[]): ChildProcess {
  const child = spawn(process.execPath, [`${folder}${name}.ts`, ...args], {
    env: { PATH: process.env['PATH'], SPIFFE_ENDPOINT_SOCKET: `unix://${agent.socket}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill())
  return child
}

/** The first line that it prints. */
async function firstLine(child: ChildProcess): Promise<string> {
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) {
    return line
  }
  throw new Error('it printed nothing')
}

async function lineAndCode(child: ChildProcess): Promise<readonly [string, number | null]> {
  const code = new Promise<number | null>((resolve) => child.once('close', resolve))
  return [await firstLine(child), await code]
}

test('each example is run here, but m2m, which is `npm run demo:m2m`', () => {
  expect(readdirSync(folder).sort()).toEqual([
    'README.md',
    'grpc-client.ts',
    'grpc-greeter.ts',
    'grpc-server.ts',
    'http-client.ts',
    'http-server.ts',
    'jwt.ts',
    'm2m',
    'mtls-client.ts',
    'mtls-server.ts',
    'rotation.ts',
    'who-am-i.ts',
  ])
})

test('who-am-i tells the ID of the process and when its SVID ends', async () => {
  expect(await firstLine(start('who-am-i'))).toMatch(/^spiffe:\/\/example\.org\/web until 20\d\d-/)
})

test('jwt fetches a token and verifies it, and the process ends by itself', async () => {
  const [line, code] = await lineAndCode(start('jwt'))
  expect(line).toMatch(/^spiffe:\/\/example\.org\/web until 20\d\d-/)
  expect(code).toBe(0)
})

test.each([
  ['mtls', `${web} says: hello ${web}`],
  ['http', `200 ${web} asks for /orders`],
  ['grpc', `hello ${web}, you said good morning`],
])(
  '%s-server and its client meet, and the client names whom it means',
  async (protocol, greeting) => {
    const [port = ''] = /\d{4,}/.exec(await firstLine(start(`${protocol}-server`))) ?? []
    const [line, code] = await lineAndCode(start(`${protocol}-client`, port, web))
    expect(line).toBe(greeting)
    expect(code).toBe(0)
  },
)

test('rotation tests a rotation without an agent', async () => {
  expect(await lineAndCode(start('rotation'))).toEqual([`rotated ${web}`, 0])
})
