import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import SqliteDatabase from 'better-sqlite3'
import { expect, onTestFinished, test } from 'vitest'
import { verifyFiles } from '../../src/audit/verify-files.ts'
import { describeFailure } from '../../src/cli/failure.ts'
import { CountersignError } from '../../src/errors.ts'
import { createClient } from '../../src/rpc/client.ts'
import { TrustDomain } from '../../src/spiffe-id/spiffe-id.ts'
import { run } from '../support/command.ts'
import { someAgent, startServer, wireEntry } from '../support/running-server.ts'

const entryService = 'spire.api.server.entry.v1.Entry'

async function authorities(server: Awaited<ReturnType<typeof startServer>>): Promise<string[]> {
  const bundle = await server.admin('spire.api.server.bundle.v1.Bundle').unary('GetBundle', {})
  return [
    ...bundle.x509_authorities.map(({ asn1 }) => asn1.toString('hex')),
    ...bundle.jwt_authorities.map(({ key_id }) => key_id),
  ]
}

test('a restart keeps authorities, entries and agents: an agent goes on with the SVID that it has', async () => {
  const first = await startServer()
  const agent = await first.joinAgent()
  const { results } = await first.admin(entryService).unary('BatchCreateEntry', {
    entries: [wireEntry({ path: '/kept', parent: agent.id })],
  })
  const before = await authorities(first)
  await first.stop()
  const second = await startServer({ folder: first.folder })
  try {
    expect(await authorities(second)).toEqual(before)
    const { svid } = await createClient('spire.api.server.svid.v1.SVID', second.dial(agent)).unary(
      'NewJWTSVID',
      { entry_id: results[0]?.entry?.id ?? '', audience: ['a'] },
    )
    expect(svid?.id?.path).toBe('/kept')
  } finally {
    await second.remove()
  }
})

test('what is on record is in the store soon afterwards, and all of it once the server has restarted', async () => {
  const copiedHead = (dataDir: string): number => {
    const database = new SqliteDatabase(join(dataDir, 'store.sqlite'), { readonly: true })
    try {
      return database
        .prepare<[], number>('select max(number) from audit_records')
        .pluck()
        .get() as number
    } finally {
      database.close()
    }
  }
  const first = await startServer()
  await first.joinAgent()
  await first.stop()
  const second = await startServer({ folder: first.folder })
  try {
    await second.joinAgent()
    const { head, fault } = await verifyFiles(second.config.auditFile)
    expect(fault).toBeUndefined()
    expect(head.number).toBeGreaterThan(4)
    await expect.poll(() => copiedHead(second.config.dataDir)).toBe(head.number)
  } finally {
    await second.remove()
  }
})

test('T31 two servers share neither a data folder nor an admin socket: the second says so and touches nothing', async () => {
  const first = await startServer()
  const trail = () => readFileSync(first.config.auditFile, 'utf8')
  try {
    const before = trail()
    await expect(startServer({ folder: first.folder })).rejects.toMatchObject({
      reason: 'data-in-use',
    })
    expect(trail()).toBe(before)
    const dataDir = join(first.folder, 'another')
    await expect(
      startServer({
        folder: first.folder,
        overrides: { dataDir, auditFile: join(dataDir, 'audit.log') },
      }),
    ).rejects.toMatchObject({ reason: 'socket-in-use' })
    await first.admin(entryService).unary('CountEntries', {})
  } finally {
    await first.remove()
  }
})

test('T22 whatever of the data folder others could have read or written ends the start with 78, and so do a lost key and another trust domain', async () => {
  const server = await startServer()
  const { folder, config } = server
  await server.stop()
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const refused = (overrides: Partial<typeof config> = {}) =>
    startServer({ folder, overrides }).then(
      () => expect.unreachable('it has started'),
      (error: unknown) => ({ error, ...describeFailure(error) }),
    )
  const files = readdirSync(config.dataDir).filter((name) => !['admin', 'lock'].includes(name))
  expect(files.sort()).toEqual(['audit.log', 'audit.log.id', 'store.sqlite', 'wrapping.key'])
  for (const path of [config.dataDir, ...files.map((name) => join(config.dataDir, name))]) {
    const { mode } = statSync(path)
    chmodSync(path, mode | 0o040)
    const fix = `  fix: chmod ${(mode & 0o777).toString(8)} ${path}`
    expect(await refused()).toMatchObject({ exitCode: 78, lines: [expect.anything(), fix] })
    chmodSync(path, mode)
  }
  const key = join(config.dataDir, 'wrapping.key')
  renameSync(key, join(folder, 'kept'))
  expect(await refused()).toMatchObject({
    exitCode: 78,
    error: { reason: 'wrapping-key-missing' },
  })
  renameSync(join(folder, 'kept'), key)
  expect(await refused({ trustDomain: TrustDomain.parse('other.org') })).toMatchObject({
    error: { reason: 'store-trust-domain' },
  })
  await (await startServer({ folder })).stop()
})

test('a data folder that is a file, or on a disk that cannot be written, is told with what to look at', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'file')
  writeFileSync(file, '')
  const start = (dataDir: string) =>
    startServer({ folder, overrides: { dataDir, auditFile: join(dataDir, 'audit.log') } })
  await expect(start(file)).rejects.toMatchObject({ reason: 'data-mode' })
  await expect(start(join(file, 'below'))).rejects.toMatchObject({ reason: 'data-folder' })
  mkdirSync(join(folder, 'data', 'lock'), { recursive: true, mode: 0o700 })
  await expect(start(join(folder, 'data'))).rejects.toMatchObject({ reason: 'data-unwritable' })
})

const isRoot = process.getuid?.() === 0

test.skipIf(!isRoot)(
  'F14 a full disk: nothing that was acknowledged is lost, readiness is false, and space brings it back (needs root, to mount a small file system)',
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'cs-full-'))
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=6m', 'tmpfs', folder])
    const server = await startServer({ folder })
    try {
      const entries = server.admin(entryService)
      const health = server.admin('grpc.health.v1.Health')
      const ballast = join(folder, 'ballast')
      const { bavail, bsize } = statfsSync(folder)
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - 512 * 1024)))
      const acknowledged: string[] = []
      let refused: unknown
      for (let at = 0; at < 5000 && refused === undefined; at += 1) {
        try {
          const { results } = await entries.unary('BatchCreateEntry', {
            entries: [wireEntry({ path: `/e/${at}/${'x'.repeat(900)}`, parent: someAgent })],
          })
          acknowledged.push(results[0]?.entry?.id ?? '')
        } catch (error) {
          refused = error
        }
      }
      expect(refused).toBeInstanceOf(CountersignError)
      expect((refused as CountersignError).code).toBe('unavailable')
      await expect.poll(async () => (await health.unary('Check', {})).status).toBe('NOT_SERVING')
      const told = await run(['server', 'health', '--admin-socket', server.config.adminSocket])
      expect(told.code).toBe(69)
      expect(told.stdout).toMatch(/NOT_SERVING\nreason\s+(audit|store)-unwritable/)
      rmSync(ballast)
      await expect.poll(async () => (await health.unary('Check', {})).status).toBe('SERVING')
      for (const id of acknowledged) await entries.unary('GetEntry', { id })
      const { results } = await entries.unary('BatchCreateEntry', {
        entries: [wireEntry({ path: '/after', parent: someAgent })],
      })
      expect(results[0]?.status?.code).toBe(0)
    } finally {
      await server.stop()
      execFileSync('umount', [folder])
      rmSync(folder, { recursive: true, force: true })
    }
  },
)
