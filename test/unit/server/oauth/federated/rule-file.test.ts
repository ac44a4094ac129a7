import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { beforeEach, expect, onTestFinished, test } from 'vitest'
import { openRuleFile } from '../../../../../server/oauth/federated/rule-file.ts'
import type { FederatedIssuer } from '../../../../../server/oauth/federated/settings.ts'
import type { AuditEvent } from '../../../../../src/audit/event.ts'
import { type Fields, silentLog } from '../../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../../src/testing/fake-clock.ts'
import { reasonOf } from '../../../../support/reason-of.ts'
import { trustDomain } from '../../../../support/running-server.ts'

const issuer = 'https://id.example'
let path = ''
let recorded: AuditEvent[] = []
let alarms: Fields[] = []
let clock = new FakeClock()
let inForce: ReadonlyMap<string, FederatedIssuer> = new Map()

beforeEach(() => {
  const folder = mkdtempSync(join(tmpdir(), 'cs-rules-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  path = join(folder, 'issuers.yaml')
  recorded = []
  alarms = []
  clock = new FakeClock()
  inForce = new Map()
})

/** As an operator writes it: one issuer, whose subject with this name is `/ci`. */
function write(sub: string, more = ''): void {
  writeFileSync(
    path,
    `federation:
  - issuer: ${issuer}
    kind: oidc
    audience: https://as.example
    ${more}
    rules:
      - match: {sub: "${sub}"}
        as: spiffe://example.org/ci
`,
  )
}

function open(append = async (events: readonly AuditEvent[]) => void recorded.push(...events)) {
  return openRuleFile(path, {
    own: { issuer: 'https://as.example', trustDomain },
    use: (issuers) => {
      inForce = issuers
    },
    append,
    clock,
    log: { ...silentLog, error: (_, fields = {}) => void alarms.push(fields) },
  })
}

const subject = () => inForce.get(issuer)?.rules[0]?.match.get('sub')
const told = () => recorded.map(({ kind, reason }) => (reason ? `${kind} ${reason}` : kind))

test('what the file says is in force from the start, and on record', async () => {
  write('a')
  await open()
  expect(subject()).toBe('a')
  expect(recorded).toMatchObject([
    {
      ...{ kind: 'issuers.loaded', decision: 'allow', actor: { kind: 'server' } },
      details: { issuers: 1, rules: 1, sha256: expect.stringMatching(/^[0-9a-f]{64}$/) },
    },
  ])
})

test('a change comes into force once the file has stayed the same for two looks', async () => {
  write('a')
  const file = await open()
  await file.look()
  await file.look()
  write('b')
  await file.look()
  write('c')
  await file.look()
  expect(subject()).toBe('a')
  await file.look()
  expect(subject()).toBe('c')
  await file.look()
  expect(told()).toEqual(['issuers.loaded', 'issuers.loaded'])
  writeFileSync(path, 'federation: []\n')
  await file.look()
  await file.look()
  expect(inForce.size).toBe(0)
})

test('what is unsound is refused, told of once and on record; what was in force stays, and a better file counts', async () => {
  write('a')
  const file = await open()
  const unsound: readonly (readonly [() => void, string])[] = [
    [() => write('a', 'claims: {}'), 'config-key'],
    [() => writeFileSync(path, 'federation: [\n'), 'config-syntax'],
    [() => writeFileSync(path, ''), 'config-value'],
    [() => writeFileSync(path, 'rules: []\nfederation: []\n'), 'config-key'],
    [() => write('repo:shop/orders'), 'config-oauth-federation'],
    [() => write('a', 'jwks_file: /nowhere'), 'federated-file'],
    [() => rmSync(path), 'federated-file'],
    [() => write('b'), ''],
  ]
  for (const [change, reason] of unsound) {
    recorded = []
    alarms = []
    change()
    for (let looks = 0; looks < 4; looks += 1) await file.look()
    expect(told()).toEqual([reason === '' ? 'issuers.loaded' : `issuers.refused ${reason}`])
    expect(subject()).toBe(reason === '' ? 'b' : 'a')
    if (reason !== '') expect(alarms).toMatchObject([{ path, error: { reason } }])
  }
})

test('a file that everybody may write is believed neither at the start nor later', async () => {
  write('a')
  chmodSync(path, 0o666)
  expect(await reasonOf(open())).toBe('oauth-file-mode')
  chmodSync(path, 0o644)
  const file = await open()
  write('b')
  chmodSync(path, 0o646)
  for (let looks = 0; looks < 3; looks += 1) await file.look()
  expect(subject()).toBe('a')
  expect(told()).toEqual(['issuers.loaded', 'issuers.refused oauth-file-mode'])
})

test('at the start what is unsound is told, and what cannot be put on record is not in force', async () => {
  write('repo:shop/orders')
  expect(await reasonOf(open())).toBe('config-oauth-federation')
  write('a')
  await expect(open(() => Promise.reject(new Error('full')))).rejects.toThrow('full')
  expect(inForce.size).toBe(0)
})

test('what could not be put in force for a reason outside the file is tried again, and is in force once it can be', async () => {
  write('a')
  let isFull = false
  const file = await open(async (events) => {
    if (isFull) throw new Error('full')
    recorded.push(...events)
  })
  // An issuer that is taken out must not stay for a disk that was full for a second.
  isFull = true
  writeFileSync(path, 'federation: []\n')
  await file.look()
  for (let looks = 0; looks < 2; looks += 1) await expect(file.look()).rejects.toThrow('full')
  isFull = false
  await file.look()
  expect([inForce.size, told()]).toEqual([0, ['issuers.loaded', 'issuers.loaded']])

  const keys = `${path}.jwks`
  write('b', `jwks_file: ${keys}`)
  for (let looks = 0; looks < 4; looks += 1) await file.look()
  expect(subject()).toBe(undefined)
  writeFileSync(keys, '{"keys": []}')
  await file.look()
  expect(subject()).toBe('b')
  expect(told().slice(2)).toEqual(['issuers.refused federated-file', 'issuers.loaded'])
})

test('while nothing can be put on record, what is refused is logged once a minute', async () => {
  write('a')
  let isFull = false
  const file = await open(async () => {
    if (isFull) throw new Error('full')
  })
  isFull = true
  write('repo:shop/orders')
  const stopping = new AbortController()
  const running = file.run(stopping.signal)
  const pass = async (seconds: number) => {
    for (let at = 0; at < seconds; at += 1) {
      await clock.advance(1000)
      while (clock.sleeping === 0) await setImmediate()
    }
  }
  await pass(50)
  expect(alarms).toMatchObject([
    { error: { reason: 'config-oauth-federation' } },
    { error: { message: 'full' } },
  ])
  await pass(20)
  expect(alarms).toHaveLength(4)
  stopping.abort()
  await expect(running).rejects.toThrow()
})

test('what was refused before is told of again where it comes back', async () => {
  write('a')
  const file = await open()
  for (const sub of ['repo:shop/orders', 'a', 'repo:shop/orders', 'b', 'repo:shop/orders']) {
    write(sub)
    for (let looks = 0; looks < 3; looks += 1) await file.look()
  }
  const refused = 'issuers.refused config-oauth-federation'
  expect(told()).toEqual(['issuers.loaded', refused, refused, 'issuers.loaded', refused])
})
