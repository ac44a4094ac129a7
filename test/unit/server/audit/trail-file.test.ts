import {
  chmod,
  chown,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { loadChainId } from '../../../../server/audit/chain-id.ts'
import { openTrail, type Trail } from '../../../../server/audit/trail.ts'
import { verify } from '../../../../src/audit/chain.ts'
import type { AuditEvent } from '../../../../src/audit/event.ts'
import { type Log, silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { reasonOf } from '../../../support/reason-of.ts'

let folder: string
let path: string
let errors: string[]
const clock = new FakeClock()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'trail-file-'))
  path = join(folder, 'audit.log')
  errors = []
})
afterEach(() => rm(folder, { recursive: true }))

function event(purpose = ''): AuditEvent {
  const actor = { kind: 'server' } as const
  return { kind: 'svid.x509.issued', time: clock.now(), actor, purpose, decision: 'allow' }
}

const open = (options: Partial<Parameters<typeof openTrail>[0]> = {}): Promise<Trail> => {
  const log: Log = { ...silentLog, error: (message) => void errors.push(message) }
  return openTrail({ path, clock, log, ...options })
}

async function linesOf(file: string): Promise<string[]> {
  return (await readFile(file, 'utf8')).split('\n').slice(0, -1)
}

describe('T22 the audit trail is not written to', () => {
  test('where a link leads', async () => {
    await writeFile(join(folder, 'elsewhere'), '', { mode: 0o600 })
    await symlink(join(folder, 'elsewhere'), path)
    await expect(open()).rejects.toMatchObject({
      ...{ reason: 'audit-unwritable', message: expect.stringContaining('(ELOOP)') },
    })
  })

  test('what is no file', async () => {
    expect(await reasonOf(open({ path: '/dev/null' }))).toBe('audit-file-kind')
  })

  test.skipIf(process.getuid?.() !== 0)('a file of another user', async () => {
    await writeFile(path, '', { mode: 0o600 })
    await chown(path, 12_345, 12_345)
    expect(await reasonOf(open())).toBe('audit-file-owner')
  })

  test.each([0o640, 0o604])('a file of mode %o', async (mode) => {
    await writeFile(path, '')
    await chmod(path, mode)
    expect(await reasonOf(open())).toBe('audit-file-loose')
  })

  test('under a name that others can read or write', async () => {
    await loadChainId(path)
    await chmod(`${path}.id`, 0o644)
    expect(await reasonOf(loadChainId(path))).toBe('audit-file-loose')
  })
})

test('F1 each torn end is kept beside the trail, under a name of its own', async () => {
  for (const torn of ['one', 'two']) {
    {
      await using trail = await open()
      await trail.append([event()])
    }
    await writeFile(path, torn, { flag: 'a' })
  }
  await (await open())[Symbol.asyncDispose]()
  expect(await readFile(`${path}.torn-1`, 'utf8')).toBe('one')
  expect(await readFile(`${path}.torn-2`, 'utf8')).toBe('two')
  expect(verify(await linesOf(path)).fault).toBeUndefined()
})

test('T10 a file without a whole line in its last 8 MiB is left as it is, and refused', async () => {
  await writeFile(path, Buffer.alloc((8 << 20) + 1), { mode: 0o600 })
  expect(await reasonOf(open())).toBe('audit-file-broken')
  expect((await stat(path)).size).toBe((8 << 20) + 1)
  expect(await readdir(folder)).toEqual(['audit.log'])
})

test('a full file is followed by a new one without a word of somebody else', async () => {
  await using trail = await open({ maxFileBytes: 500 })
  for (let n = 0; n < 6; n += 1) await trail.append([event()])
  expect((await readdir(folder)).length).toBeGreaterThan(2)
  expect(errors).toEqual([])
})

test('what is written at once has 4 MiB at most, however much waits', async () => {
  const writes: number[] = []
  await using trail = await open({ observe: ({ bytes }) => void writes.push(bytes) })
  const large = event('a '.repeat(200_000))
  await Promise.all(Array.from({ length: 30 }, () => trail.append([large])))
  expect(writes.length).toBeGreaterThan(2)
  expect(Math.max(...writes)).toBeLessThanOrEqual(4 << 20)
  expect(verify(await linesOf(path))).toMatchObject({ verified: 30, fault: undefined })
})

test('what was refused while nothing could be written does not fill the queue', async () => {
  await using trail = await open()
  await trail.append([event()])
  await chmod(path, 0o644)
  await rm(path)
  await writeFile(path, '', { mode: 0o644 })
  const many = Array.from({ length: 40_000 }, () => event())
  for (let n = 0; n < 3; n += 1) {
    expect(await reasonOf(trail.append(many))).toBe('audit-file-loose')
  }
  await rm(path)
  await trail.append([event()])
  expect(trail.ready()).toBeUndefined()
})
