import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { checkOpen } from '../../../../../server/broker/call/admission.ts'
import {
  readState,
  statePath,
  writeState,
} from '../../../../../server/broker/keys/credential-file.ts'
import { openCredentials } from '../../../../../server/broker/keys/credentials.ts'
import { memoryKeyManager } from '../../../../../server/ca/key-manager.ts'
import { Secret } from '../../../../../src/runtime/secret.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'
import { reasonOf } from '../../../../support/x509-fixtures.ts'

const day = 86_400_000
let path: string
let clock: FakeClock
const keys = memoryKeyManager()

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-credentials-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  path = statePath(folder)
  clock = new FakeClock()
})

const held = (integration: string, secret: string, issuedAt?: Date) => ({
  integration: {
    ...{ id: integration, audience: `https://broker.example.org/${integration}`, owner: 'sales' },
    ...{ issuedAt, maxAgeSeconds: 86_400 },
  },
  secret: new Secret(secret),
})
const open = () => openCredentials(path, keys, clock)

test('one secret twice is refused: at once, later, and after a restart', () => {
  const first = open()
  expect(reasonOf(() => first.admit([held('a', 'key-one'), held('b', 'key-one')]))).toBe(
    'credential-shared',
  )
  expect(first.record('a')).toBeUndefined()
  first.admit([held('a', 'key-one'), held('b', 'key-two')])
  first.admit([held('a', 'key-three'), held('b', 'key-two')])
  expect(reasonOf(() => first.admit([held('b', 'key-one')]))).toBe('credential-shared')
  const again = open()
  expect(reasonOf(() => again.admit([held('c', 'key-one')]))).toBe('credential-shared')
  expect(reasonOf(() => again.admit([held('a', 'key-one')]))).toBe('ok')
})

test('a key that is in use is not forgotten for those that came after it', () => {
  const first = open()
  first.admit([held('a', 'key-one')])
  const { records, holders } = readState(path)
  for (let n = 0; n < 9999; n += 1) {
    holders.set(n.toString(16).padStart(64, '0'), { integration: 'b', since: clock.now() })
  }
  writeState(path, { records, holders })
  open().admit([held('a', 'key-one'), held('b', 'key-two')])
  expect(reasonOf(() => open().admit([held('c', 'key-one')]))).toBe('credential-shared')
})

test('the file holds no secret and nothing that can be guessed from: fingerprints are under a key', () => {
  const credentials = open()
  credentials.admit([held('a', 'key-one')])
  const text = readFileSync(path, 'utf8')
  expect(text).not.toContain('key-one')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  const foreign = openCredentials(`${path}.2`, memoryKeyManager(), clock)
  foreign.admit([held('a', 'key-one')])
  expect(foreign.record('a')?.fingerprint).not.toBe(credentials.record('a')?.fingerprint)
})

test('the age of a key counts from when it was first seen or issued, whichever was earlier', async () => {
  const born = clock.now()
  open().admit([held('a', 'key-one')])
  await clock.advance(day)
  const later = open()
  later.admit([held('a', 'key-one'), held('b', 'key-two', new Date(born.getTime() - day))])
  expect(later.record('a')?.since).toEqual(born)
  expect(later.record('b')?.since).toEqual(new Date(born.getTime() - day))
  later.admit([held('a', 'key-three')])
  expect(later.record('a')?.since).toEqual(clock.now())
})

test('the age of a key that has taken the place of another counts from then, though the other’s date was left', async () => {
  const day0 = clock.now()
  const issued = new Date(day0.getTime() - 20 * day)
  open().admit([held('a', 'key-one', issued)])
  await clock.advance(day)
  const credentials = open()
  expect(credentials.newAmong([held('a', 'key-one', issued)])).toEqual([])
  credentials.used('a', 'current')
  const change = [held('a', 'key-two', issued)]
  expect(credentials.newAmong(change)).toMatchObject([{ since: clock.now(), replaces: true }])
  credentials.admit(change)
  const replacedAt = clock.now()
  await clock.advance(day)
  const again = open()
  again.admit(change)
  expect(again.record('a')).toMatchObject({
    ...{ since: replacedAt, lastUsed: undefined, calls: 1 },
    previous: { since: issued, replacedAt, lastUsed: replacedAt },
  })
  again.admit([held('a', 'key-two', clock.now())])
  expect(again.record('a')?.since).toEqual(replacedAt)
})

test('which key was used last is known of both', async () => {
  const credentials = open()
  credentials.admit([held('a', 'key-one')])
  credentials.admit([held('a', 'key-two')])
  await clock.advance(day)
  credentials.used('a', 'current')
  await clock.advance(day)
  credentials.used('a', 'previous')
  credentials.flush()
  const { lastUsed, previous, calls } = open().record('a') ?? expect.fail()
  expect([clock.now().getTime() - (lastUsed?.getTime() ?? 0), previous?.lastUsed, calls]).toEqual([
    day,
    clock.now(),
    1,
  ])
})

test('what was shut stays so over restarts, until it is opened by a later word', async () => {
  const credentials = open()
  credentials.admit([held('a', 'key-one')])
  credentials.used('a', 'current')
  credentials.close('a', clock.now())
  const record = open().record('a')
  expect(record).toMatchObject({ calls: 1, closedAt: clock.now(), lastUsed: clock.now() })
  const integration = { id: 'a', disabled: false, maxAgeSeconds: undefined } as const
  const check = (reopenedAt: Date | undefined) =>
    reasonOf(() => checkOpen({ ...integration, reopenedAt }, record, clock.now()))
  expect(check(undefined)).toBe('integration-closed')
  expect(check(clock.now())).toBe('integration-closed')
  expect(check(new Date(clock.now().getTime() + 1))).toBe('ok')
})

test('what is known of a key outlives its being left out: shut stays shut, and old stays old', async () => {
  const credentials = open()
  const born = clock.now()
  credentials.admit([held('a', 'key-one'), held('b', 'key-two')])
  credentials.close('a', clock.now())
  await clock.advance(day)
  credentials.admit([held('b', 'key-two')])
  const again = open()
  again.admit([held('a', 'key-one'), held('b', 'key-two')])
  expect(again.record('a')).toMatchObject({ since: born, closedAt: born })
})

test('a key that comes back is as old as it was', async () => {
  const credentials = open()
  const born = clock.now()
  credentials.admit([held('a', 'key-one')])
  await clock.advance(day)
  credentials.admit([held('a', 'key-two')])
  await clock.advance(day)
  const again = open()
  again.admit([held('a', 'key-one')])
  expect(again.record('a')?.since).toEqual(born)
})

test('a file of an older version, which does not say since when, is read and written on', () => {
  const credentials = open()
  credentials.admit([held('a', 'key-one')])
  credentials.admit([held('a', 'key-two')])
  const older = readFileSync(path, 'utf8').replaceAll(/("a"),"[0-9TZ:.-]+"\]/g, '$1]')
  writeFileSync(path, older)
  open().admit([held('a', 'key-two')])
  expect(reasonOf(() => open().admit([held('b', 'key-one')]))).toBe('credential-shared')
})

test('of more credentials than are remembered the oldest are forgotten, and the file is whole or what it was', () => {
  const of = (at: number) => at.toString(16).padStart(64, '0')
  const holders = new Map(
    Array.from({ length: 10_001 }, (_, at) => [of(at), { integration: 'a', since: undefined }]),
  )
  writeState(path, { records: new Map(), holders })
  const kept = [...readState(path).holders.keys()]
  expect([kept.length, kept[0], kept.at(-1)]).toEqual([10_000, of(1), of(10_000)])
  // Somebody who had the file open reads it as it was.
  const before = openSync(path, 'r')
  writeState(path, { records: new Map(), holders: new Map() })
  expect(JSON.parse(readFileSync(before, 'utf8')).fingerprints).toHaveLength(10_000)
  closeSync(before)
})

test('T23 a file that no broker wrote is refused, and a prototype is nobody’s name', () => {
  for (const text of [
    '',
    '{}',
    '[]',
    '{"version":2}',
    '{"version":1,"integrations":{"a":{}},"fingerprints":[]}',
    '{"version":1,"integrations":{},"fingerprints":[],"more":1}',
  ]) {
    writeFileSync(path, text)
    expect([text, reasonOf(() => readState(path))]).toEqual([text, 'broker-state'])
  }
  writeFileSync(path, '{"version":1,"integrations":{"__proto__":{"calls":1}},"fingerprints":[]}')
  expect(readState(path).records.size).toBe(0)
  expect({}).not.toHaveProperty('calls')
})
