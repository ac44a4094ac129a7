import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { runHere } from '../support/command.ts'
import { type RunningServer, someAgent, startServer, wireEntry } from '../support/running-server.ts'

let server: RunningServer
let web: string
let api: string

beforeAll(async () => {
  server = await startServer()
  const { results } = await server
    .admin('spire.api.server.entry.v1.Entry')
    .unary('BatchCreateEntry', {
      entries: ['/web', '/api'].map((path) => wireEntry({ path, parent: someAgent })),
    })
  const [first = '', second = ''] = results.map(({ entry }) => entry?.id ?? '')
  web = first
  api = second
})

afterAll(() => server.remove())

const entry = (...args: readonly string[]) =>
  runHere(['entry', ...args, '--admin-socket', server.config.adminSocket])

async function json(...args: readonly string[]): Promise<unknown> {
  return JSON.parse((await entry(...args, '-o', 'json')).stdout)
}

async function idsOf(...args: readonly string[]): Promise<readonly string[]> {
  return ((await json('list', ...args)) as { id: string }[]).map(({ id }) => id)
}

test('entry disable, enable: done, shown, counted and on record, with who and why', async () => {
  const off = await entry('disable', '--id', web, '--reason', 'laptop lost')
  expect(off).toMatchObject({ code: 0, stdout: `disabled ${web}\n`, stderr: '' })
  expect(await idsOf('--disabled')).toEqual([web])
  expect(await idsOf('--no-disabled')).toEqual([api])
  expect(await json('count', '--disabled')).toEqual({ count: 1 })
  expect(await json('show', '--id', web)).toMatchObject({
    disabledAt: expect.stringMatching(/^20.*Z$/),
  })
  expect(await json('show', '--id', api)).toMatchObject({ disabledAt: null })
  expect((await entry('show', '--id', web)).stdout).toMatch(/^disabled +(now|\d+s ago)$/m)
  expect((await entry('list')).stdout).toMatch(new RegExp(`^${web} .* disabled$`, 'm'))

  const search = ['audit', 'search', server.config.auditFile, '--entry', web, '-o', 'json']
  const { stdout } = await runHere([...search, '--kind', 'entry.disabled'])
  expect(JSON.parse(stdout.trim().split('\n').at(-1) ?? '')).toMatchObject({
    ...{ kind: 'entry.disabled', reason: 'laptop lost' },
    actor: { kind: 'local', uid: process.getuid?.() },
  })

  expect(await json('enable', '--id', web)).toEqual({ enabled: [web] })
  expect(await idsOf('--disabled')).toEqual([])
  expect((await entry('show', '--id', web)).stdout).toMatch(/^disabled +-$/m)
})

test('what is not there is told of with where to look, and the others are done unless all or none', async () => {
  const none = await entry('disable', '--id', web, 'nobody', '--atomic')
  expect([none.code, none.stdout]).toEqual([1, ''])
  expect(await idsOf('--disabled')).toEqual([])
  const some = await entry('disable', '--id', web, 'nobody')
  expect([some.code, some.stdout]).toEqual([1, `disabled ${web}\n`])
  expect(some.stderr).toContain('entry-not-found')
  const missing = await entry('enable', '--id', 'nobody')
  expect(missing.stderr).toContain('countersign entry list')
  const long = await entry('enable', '--id', web, '--reason', 'x'.repeat(257))
  expect([long.code, long.stderr]).toEqual([1, expect.stringContaining('entry-reason')])
  await entry('enable', '--id', web)
})

test('an entry that is disabled stays so through an update, and through a file of entries, which say so', async () => {
  await entry('disable', '--id', web)
  const warning = /warning: it is disabled: .*"countersign entry enable"/
  const updated = await entry('update', '--id', web, '--hint', 'x')
  expect([updated.code, updated.stderr]).toEqual([0, expect.stringMatching(warning)])
  expect(await idsOf('--disabled')).toEqual([web])

  const folder = mkdtempSync(join(tmpdir(), 'cs-entries-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'entries.json')
  writeFileSync(file, (await entry('list', '-o', 'json')).stdout)
  expect(readFileSync(file, 'utf8')).toContain('"disabledAt"')
  await entry('delete', '--id', web, api)
  expect((await entry('create', '--file', file)).stderr).toMatch(warning)
  expect([await idsOf('--disabled'), await idsOf('--no-disabled')]).toEqual([[web], [api]])
})
