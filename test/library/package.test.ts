import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { agentIdOf, startAgent } from '../support/running-agent.ts'
import { startServer, wireEntry } from '../support/running-server.ts'
import { type InstalledPackage, installPackage, PATIENCE_MS } from './installed-package.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
let installed: InstalledPackage

vi.setConfig({ testTimeout: PATIENCE_MS })

beforeAll(() => {
  installed = installPackage()
}, PATIENCE_MS)

afterAll(() => installed.remove())

const subPaths = (): readonly string[] =>
  Object.keys(installed.manifest.exports)
    .filter((subPath) => subPath !== './package.json')
    .map((subPath) => subPath.replace(/^\./, 'countersign'))

test('every sub-path can be imported where nothing but the package and its dependencies is installed', async () => {
  const printed = await installed.run(`
    for (const subPath of ${JSON.stringify(subPaths())}) {
      const names = Object.keys(await import(subPath))
      if (names.length === 0 || names.includes('default')) throw new Error(subPath)
    }
    console.log('ok')`)
  expect(printed.trim()).toBe('ok')
})

test('importing every sub-path but the one for gRPC loads no gRPC, which the first call does', async () => {
  const quiet = subPaths().filter((subPath) => !/\/(grpc|testing)$/.test(subPath))
  const printed = await installed.run(`
    import { createRequire } from 'node:module'
    const loaded = () =>
      Object.keys(createRequire(import.meta.url).cache).some((file) => /@grpc|protobufjs/.test(file))
    for (const subPath of ${JSON.stringify(quiet)}) await import(subPath)
    const before = loaded()
    const { X509Source } = await import('countersign')
    const leaving = new AbortController()
    const endpoint = 'unix:///nobody/is/here'
    const opening = X509Source.open({ endpoint, signal: leaving.signal }).catch(() => {})
    // Which may take a busy machine its time.
    for (let looks = 0; looks < 20_000 && !loaded(); looks += 1) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    leaving.abort()
    await opening
    console.log(before, loaded())`)
  expect(printed.trim()).toBe('false true')
})

test('T32 the package has its own short list of dependencies, no script, and nothing of the other rooms', () => {
  expect(Object.keys(installed.manifest.dependencies)).toEqual([
    '@grpc/grpc-js',
    '@grpc/proto-loader',
    'jose',
    'node-forge',
  ])
  expect(installed.manifest.scripts).toBeUndefined()
  expect(installed.manifest.engines.node).toBe('>=22.13')
  expect(installed.files.filter((file) => /(^|\/)(cli|server|agent)\//.test(file))).toEqual([])
  for (const file of ['LICENSE', 'README.md', 'SECURITY.md', 'proto/spiffe/workload.proto']) {
    expect(installed.files).toContain(file)
  }
})

test('the code runs on the oldest Node that the package names: no type, and no `using`, is left in it', () => {
  const code = installed.files.filter((file) => /^dist\/[^/]+\.js$/.test(file))
  expect(code.length).toBeGreaterThan(1)
  for (const file of code) {
    expect(installed.read(file), file).not.toMatch(
      /^\s*(await )?using \w|: readonly |\binterface /m,
    )
  }
})

test('no declaration says any, and each is mapped to a source that is in the package', () => {
  const declarations = installed.files.filter((file) => file.endsWith('.d.ts'))
  expect(declarations.length).toBeGreaterThan(10)
  for (const file of declarations) {
    const types = installed.read(file).replace(/\/\*[\s\S]*?\*\//g, '')
    expect(types, file).not.toMatch(/[:<|&(,=>] *any\b/)
    const map = JSON.parse(installed.read(`${file}.map`)) as { sources: readonly string[] }
    for (const source of map.sources) {
      expect(installed.files, file).toContain(join(file, '..', source))
    }
  }
})

test('a program in strict TypeScript that checks its libraries too compiles against the package', () => {
  const lines = subPaths().map((subPath, at) => `export * as m${at} from '${subPath}'`)
  writeFileSync(join(installed.folder, 'program.ts'), lines.join('\n'))
  writeFileSync(
    join(installed.folder, 'tsconfig.json'),
    JSON.stringify({
      compilerOptions: {
        module: 'NodeNext',
        target: 'ES2023',
        lib: ['ES2023'],
        strict: true,
        skipLibCheck: false,
        noEmit: true,
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
      },
      files: ['program.ts'],
    }),
  )
  execFileSync(join(root, 'node_modules/.bin/tsc'), ['-p', installed.folder], { stdio: 'inherit' })
})

test('the packed size is the one that the README tells, give or take a fifth', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const [, told] = /the package is (\d+) kB packed/.exec(readme) ?? []
  expect(Math.abs(installed.tarballBytes / 1000 / Number(told) - 1)).toBeLessThan(0.2)
})

test('a program with the package fetches its SVID from a real agent, and meets its peer over mutual TLS', async () => {
  const server = await startServer()
  const agent = await startAgent(server)
  try {
    await server.admin('spire.api.server.entry.v1.Entry').unary('BatchCreateEntry', {
      entries: [
        wireEntry({
          path: '/web',
          parent: await agentIdOf(server),
          selectors: [`unix:uid:${process.getuid?.()}`],
        }),
      ],
    })
    const printed = await installed.run(
      `
      import { matchId, matchTrustDomain, SpiffeId, TrustDomain, X509Source } from 'countersign'
      import { connect, createServer } from 'countersign/tls'
      const source = await X509Source.open()
      const authorize = matchTrustDomain(TrustDomain.parse('example.org'))
      const server = createServer({ source, authorize }, (socket, peer) => socket.end(peer.spiffeId))
      await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { socket, peer } = await connect({
        source,
        host: '127.0.0.1',
        port: server.address().port,
        authorize: matchId(SpiffeId.parse('spiffe://example.org/web')),
      })
      let text = ''
      for await (const chunk of socket) text += chunk
      server.close()
      await source.close()
      const { WorkloadApiClient } = await import('countersign')
      const client = new WorkloadApiClient()
      const refused = await client
        .fetchJwtSvid('a', { spiffeId: SpiffeId.parse('spiffe://example.org/other') })
        .catch(({ code, reason }) => [code, reason].join(' '))
      client.close()
      console.log(peer.spiffeId, text, refused)`,
      { SPIFFE_ENDPOINT_SOCKET: `unix://${agent.socket}` },
    )
    expect(printed.trim()).toBe(
      'spiffe://example.org/web spiffe://example.org/web forbidden no-identity',
    )
  } finally {
    await agent.stop()
    await server.remove()
  }
})
