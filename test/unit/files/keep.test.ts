import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { CountersignError } from '../../../src/errors.ts'
import { problemsOf, readHealth } from '../../../src/files/health.ts'
import { type KeepOptions, keepFiles } from '../../../src/files/keep.ts'
import { openSources } from '../../../src/files/sources.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { eventually } from '../../../src/testing/eventually.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { passing, startApi, web } from '../../support/fake-api.ts'
import { names, openFolder, read, temporaryFolder } from './fixture.ts'

/** Files that are kept from an API of their own; `sets` counts how often they changed. */
async function keeping(options: Partial<KeepOptions> = {}) {
  const api = await startApi()
  await api.grant(web)
  const path = temporaryFolder()
  const folder = await openFolder(path)
  const stopping = new AbortController()
  const problems: string[] = []
  const seen = { sets: 0 }
  const all = { names, folder, choice: {}, clock: systemClock, ...options }
  const sources = await openSources({
    endpoint: api.endpoint,
    names: all.names,
    signal: stopping.signal,
    onProblem: () => {},
  })
  const ended = keepFiles(
    {
      ...all,
      ...sources,
      onFiles: () => {
        seen.sets += 1
      },
      onProblem: ({ reason }) => problems.push(reason),
    },
    stopping.signal,
  )
  const stop = async (): Promise<void> => {
    stopping.abort(new DOMException('stopped', 'AbortError'))
    await ended
    await sources.close()
  }
  onTestFinished(stop)
  await eventually(() => seen.sets === 1)
  return { api, path, problems, seen, stop }
}

test('an update is a new set, and the program is told of it, not of the first one', async () => {
  let told = 0
  const { api, path, seen } = await keeping({
    renewal: async () => {
      told += 1
    },
  })
  const before = read(path, 'combined.pem')
  expect(before).toBe(read(path, 'cert.pem') + read(path, 'key.pem'))
  expect(told).toBe(0)
  await api.rotate()
  await eventually(() => told === 1)
  expect(seen.sets).toBe(2)
  expect(read(path, 'combined.pem')).not.toBe(before)
  // The same once more is no new set.
  api.push()
  await api.rotate({ authorities: true })
  await eventually(() => told === 2)
  expect(seen.sets).toBe(3)
  expect(read(path, 'bundle.pem').match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
})

test('a program that could not be told is told again, and the health of the folder says so', async () => {
  const clock = new FakeClock()
  let failures = 2
  const { api, path, problems } = await keeping({
    clock,
    renewal: async () => {
      failures -= 1
      if (failures < 0) return
      throw new CountersignError('unavailable', 'no', { reason: 'on-renew-failed' })
    },
  })
  const well = await readHealth(path)
  expect(well).toMatchObject({ spiffeId: web, problem: null, onRenew: null })
  await api.rotate()
  await eventually(() => problems.length === 1)
  await eventually(async () => (await readHealth(path)).onRenew !== null)
  expect(problemsOf(await readHealth(path), clock.now())).toEqual(['no'])
  await passing(clock, () => failures < 0)
  await eventually(async () => (await readHealth(path)).onRenew?.problem === null)
  expect(problems).toEqual(['on-renew-failed', 'on-renew-failed'])
  expect(problemsOf(well, new Date(well.expiresAt))).toEqual(['the files have expired'])
})

test('files stay as they are where they cannot be replaced, and are replaced once they can be', async () => {
  const { api, path, problems, seen } = await keeping()
  const key = read(path, 'key.pem')
  rmSync(join(path, 'cert.pem'))
  writeFileSync(join(path, 'cert.pem'), 'somebody else’s')
  await api.rotate()
  await eventually(() => problems.includes('files-in-the-way'))
  expect(read(path, 'key.pem')).toBe(key)
  expect((await readHealth(path)).problem).toContain('cert.pem')
  rmSync(join(path, 'cert.pem'))
  await eventually(() => seen.sets === 2)
  expect((await readHealth(path)).problem).toBeNull()
})

test('an identity that is taken away leaves the files until they expire, and is said', async () => {
  const { api, path, problems } = await keeping()
  api.withdraw()
  await eventually(() => problems.includes('source-withdrawn'))
  expect(read(path, 'key.pem')).toContain('PRIVATE KEY')
  expect((await readHealth(path)).problem).not.toBeNull()
})

test('tokens are part of the set, and are replaced at the half of their life', async () => {
  const api = await startApi()
  await api.grant(web, { jwtTtlSeconds: 2 })
  const path = temporaryFolder()
  const folder = await openFolder(path)
  const jwts = [{ audience: 'https://api.example.org', name: 'api.jwt' }]
  const stopping = new AbortController()
  const withTokens = { ...names, jwts }
  const { signal } = stopping
  const sources = await openSources({
    endpoint: api.endpoint,
    names: withTokens,
    signal,
    onProblem: () => {},
  })
  const tokens: string[] = []
  const ended = keepFiles(
    {
      ...sources,
      ...{ names: withTokens, folder, choice: {}, clock: systemClock },
      onFiles: () => void tokens.push(readFileSync(join(path, 'api.jwt'), 'utf8')),
      onProblem: () => {},
    },
    signal,
  )
  await eventually(() => tokens.length === 2)
  stopping.abort(new DOMException('stopped', 'AbortError'))
  await ended
  await sources.close()
  const [claims] = tokens.map((token) =>
    JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()),
  )
  expect(claims).toMatchObject({ sub: web, aud: ['https://api.example.org'] })
  expect(tokens[0]).not.toBe(tokens[1])
})
