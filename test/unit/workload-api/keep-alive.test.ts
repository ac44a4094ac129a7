import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'
import { eventually } from '../../../src/testing/eventually.ts'
import type { FakeWorkloadApi } from '../../../src/testing/fake-workload-api.ts'
import { callsOf, startApi, web } from '../../support/fake-api.ts'

const library = new URL('../../../src/index.ts', import.meta.url)

interface Program {
  readonly child: ChildProcess
  /** The next line that it prints; undefined when it has ended. */
  readonly line: () => Promise<string | undefined>
  /** Its exit code, or the signal that ended it. */
  readonly end: () => Promise<number | string>
}

/** A process of its own, with the library and a Workload API. */
function run(api: FakeWorkloadApi, body: string): Program {
  const names = 'BundleSource, JwtSource, WorkloadApiClient, X509Source'
  const program = `import { ${names} } from '${library}'\n${body}`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    env: { SPIFFE_ENDPOINT_SOCKET: api.endpoint },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = once(child, 'close')
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    child,
    line: async () => (await lines.next()).value,
    async end() {
      const [code, signal] = await ended
      return code ?? signal
    },
  }
}

async function granted(): Promise<FakeWorkloadApi> {
  const api = await startApi()
  await api.grant(web)
  return api
}

test('an open source of any kind does not keep its process alive', async () => {
  const api = await granted()
  const { line, end } = run(
    api,
    `const x509 = await X509Source.open()
     const jwt = await JwtSource.open()
     const bundles = await BundleSource.open()
     const { spiffeId } = await jwt.fetchJwtSvid('them')
     console.log(x509.svid().spiffeId, spiffeId, bundles.state)`,
  )
  expect(await line()).toBe(`${web} ${web} fresh`)
  expect(await end()).toBe(0)
})

test('nor does one that looks for an agent which is away', async () => {
  const api = await granted()
  const { child, line, end } = run(
    api,
    `const source = await X509Source.open()
     console.log('open')
     for await (const _ of process.stdin) break
     while (source.state !== 'stale') await new Promise((resolve) => setTimeout(resolve, 5))
     console.log(source.state)`,
  )
  expect(await line()).toBe('open')
  await api.stop()
  child.stdin?.end('go on\n')
  expect(await line()).toBe('stale')
  expect(await end()).toBe(0)
})

test('one that is opening does, however long the agent is away', async () => {
  const api = await granted()
  await api.stop()
  const { line, end } = run(
    api,
    `setTimeout(() => console.log('waiting'), 300).unref()
     const source = await X509Source.open()
     console.log(source.svid().spiffeId)`,
  )
  expect(await line()).toBe('waiting')
  await api.listen()
  expect(await line()).toBe(web)
  expect(await end()).toBe(0)
})

test('nor does one that could not be opened', async () => {
  const api = await granted()
  const { line, end } = run(
    api,
    `const reasons = []
     const told = ({ reason }) => void reasons.push(reason)
     await X509Source.open({ endpoint: '/run/agent.sock' }).catch(told)
     await X509Source.open({ endpoint: 'unix:///' + 'x'.repeat(120) }).catch(told)
     await X509Source.open({ signal: AbortSignal.abort({ reason: 'given-up' }) }).catch(told)
     console.log(reasons.join())`,
  )
  expect(await line()).toBe('endpoint-scheme,socket-path,given-up')
  expect(await end()).toBe(0)
})

test('one that is told to does, until it is closed', async () => {
  const api = await granted()
  const { line, end } = run(
    api,
    `const source = await X509Source.open({ keepAlive: true })
     let updates = 0
     source.onUpdate(() => {
       console.log('update')
       if (++updates === 2) void source.close()
     })
     console.log('open')`,
  )
  expect(await line()).toBe('open')
  await api.rotate()
  expect(await line()).toBe('update')
  await api.rotate()
  expect(await line()).toBe('update')
  // The close is a change too.
  expect(await line()).toBe('update')
  expect(await end()).toBe(0)
})

test('a watch and a fetch that are waited for do, and the client that made them does not', async () => {
  const api = await granted()
  const { line, end } = run(
    api,
    `const client = new WorkloadApiClient()
     let seen = 0
     for await (const { svids } of client.watchX509Context()) {
       console.log(svids.length)
       if (++seen === 2) break
     }
     console.log((await client.fetchJwtSvid('them')).spiffeId)`,
  )
  expect(await line()).toBe('1')
  await eventually(() => callsOf(api, 'FetchX509SVID') === 1)
  await api.rotate()
  expect(await line()).toBe('1')
  expect(await line()).toBe(web)
  expect(await end()).toBe(0)
})
