import { randomBytes } from 'node:crypto'
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { chmod, mkdir, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Cache } from '../../../../agent/cache/cache.ts'
import type { JwtCache } from '../../../../agent/cache/jwt.ts'
import type { JwtRecord } from '../../../../agent/cache/jwt-record.ts'
import { openSealedCache, type SealedCache } from '../../../../agent/cache/sealed.ts'
import { Sealer } from '../../../../agent/cache/sealer.ts'
import { volatileFolder } from '../../../../agent/cache/volatile-folder.ts'
import {
  readPrivateFile,
  removePrivateFile,
  removeUnfinished,
  writePrivateFile,
} from '../../../../agent/key-store/private-file.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { SpiffeId } from '../../../../src/spiffe-id/spiffe-id.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import type { CertificateAuthority } from '../../../../src/x509/issue.ts'
import { leastCpuMs } from '../../../support/cost.ts'
import {
  agentId,
  bundleWith,
  changeOf,
  entryOf,
  hourMs,
  makeCa,
  pathsOf,
  selectorsOf,
  settle,
  sign,
  start,
  trustDomain,
} from './fixture.ts'

const files = {
  read: readPrivateFile,
  write: writePrivateFile,
  remove: removePrivateFile,
  removeUnfinished,
}
const uid = selectorsOf('unix:uid:1000')
const web = entryOf('/web', ['unix:uid:1000'], { id: 'web', expiresAt: new Date(9e12), hint: 'h' })

let folder: string
let ca: CertificateAuthority
let clock: FakeClock
let cache: Cache
let sealed: SealedCache

beforeAll(async () => {
  ca = await makeCa()
})

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sealed-'))
  clock = new FakeClock()
  cache = new Cache({ trustDomain, clock })
  sealed = await openSealedCache({ folder, files })
  const bundle = bundleWith([{ ca }], {
    sequence: 2n ** 63n,
    jwtAuthorities: [{ keyId: 'k', publicKey: randomBytes(9), expiresAt: start, tainted: true }],
  })
  await cache.apply(changeOf({ position: 7, snapshot: true, entries: [web], bundles: [bundle] }))
  await sign(cache, clock, ca, [web])
})

afterEach(() => rmSync(folder, { recursive: true }))

const save = (lastContact = start, tokens: readonly JwtRecord[] = []) =>
  sealed.save({ agentId, lastContact }, { snapshot: cache.snapshot, tokens })

const minuteOf = (minutes: number) => new Date(start.getTime() + minutes * 60_000)

const path = (name: 'cache.sealed' | 'cache.recent') => join(folder, name)

const load = (options: { id?: SpiffeId; from?: SealedCache; maxOfflineMs?: number } = {}) =>
  (options.from ?? sealed).load({
    agentId: options.id ?? agentId,
    maxOfflineMs: options.maxOfflineMs ?? hourMs,
    at: { now: clock.now(), monotonicMs: clock.monotonicMs() },
    random: () => 0.5,
  })

const tokenOf = (token: string): JwtRecord => ({
  entry: web,
  audience: ['aud'],
  token,
  keyId: 'k',
  issuedAt: start,
  expiresAt: minuteOf(90),
  renewAtMs: 0,
  expiresAtMs: 0,
  used: true,
})

describe('a sealed cache', () => {
  test('gives back what was saved: entries, bundles, SVIDs with their keys', async () => {
    await save()
    const restored = await load()
    const next = new Cache({ trustDomain, clock })
    if (restored !== undefined) next.restore(restored.snapshot)
    expect(next.snapshot).toMatchObject({ logId: 'log', position: 7 })
    expect(next.current(uid)).toEqual(cache.current(uid))
    expect(next.snapshot.svids.get('web')?.renewAtMs).toBeCloseTo(hourMs / 2)
    expect(restored?.lastContact).toEqual(start)
  })

  test('T26 knows after a restart which of them a revocation has ended', async () => {
    const goodFrom = new Map([['web', { x509: 90, jwt: 100, renewAtMs: 5000 }]])
    await cache.apply(changeOf({ position: 8, entries: [web], goodFrom }))
    await save()
    const due = { x509: 90, jwt: 100, renewAtMs: clock.monotonicMs() }
    expect((await load())?.snapshot.goodFrom).toEqual(new Map([['web', due]]))
    await cache.apply(changeOf({ position: 9, entries: [web] }))
    await save()
    expect((await load())?.snapshot.goodFrom.size).toBe(0)
  })

  test('shows nothing of a key or an ID, and is for our eyes only', async () => {
    await save()
    const key = cache.snapshot.svids.get('web')?.svid.privateKey.toString('base64') ?? ''
    const bytes = readFileSync(join(folder, 'cache.sealed'), 'latin1')
    expect(bytes.includes(key.slice(40, 80))).toBe(false)
    expect(bytes.includes('/web')).toBe(false)
    for (const file of readdirSync(folder)) {
      expect(statSync(join(folder, file)).mode & 0o077).toBe(0)
    }
  })

  test('opens for nobody but the agent that sealed it', async () => {
    await save()
    expect(await load({ id: SpiffeId.parse('spiffe://example.org/spire/agent/x') })).toBeUndefined()
    expect(await load()).toBeUndefined()
  })

  test('is of no use after max_offline, or when the clock was set back, and then it is gone', async () => {
    await save()
    clock.jump(hourMs)
    expect(await load()).toBeDefined()
    clock.jump(1)
    expect(await load()).toBeUndefined()
    expect(readdirSync(folder)).toEqual([])
    clock.jump(-hourMs - 1)
    await save(new Date(start.getTime() + 61_000))
    expect(await load()).toBeUndefined()
  })

  test('leaves out what has expired', async () => {
    await save()
    clock.jump(hourMs)
    const restored = await load({ maxOfflineMs: 2 * hourMs })
    expect(restored?.snapshot.svids.size).toBe(0)
    expect(restored?.snapshot.entries.size).toBe(1)
  })

  test('T22 what a crash left of a write is gone with the next start, and with whatever erases it', async () => {
    await save()
    const left = `${path('cache.sealed')}.new`
    writeFileSync(left, 'half', { mode: 0o600 })
    await openSealedCache({ folder, files })
    expect(existsSync(left)).toBe(false)
    writeFileSync(left, 'half', { mode: 0o600 })
    await sealed.erase()
    expect(readdirSync(folder)).toEqual([])
  })

  test('T22 no byte of it can be changed, nor cut off', async () => {
    await save()
    const good = readFileSync(path('cache.sealed'))
    const header = good.indexOf('{')
    const places = [0, 27, 30, header + 12, good.length >> 1, good.length - 1]
    for (const at of places) {
      const bad = Buffer.from(good)
      bad[at] = (bad[at] ?? 0) ^ 1
      await save()
      writeFileSync(path('cache.sealed'), bad)
      expect(await load(), `byte ${at}`).toBeUndefined()
    }
    for (const length of [0, 10, 40, header + 20, good.length - 1]) {
      await save()
      writeFileSync(path('cache.sealed'), good.subarray(0, length))
      expect(await load(), `length ${length}`).toBeUndefined()
    }
  })

  test('T22 one that others may read is refused, and one behind a link', async () => {
    await save()
    await chmod(join(folder, 'cache.key'), 0o644)
    await expect(load()).rejects.toMatchObject({ reason: 'data-mode' })
    rmSync(join(folder, 'cache.key'))
    symlinkSync('/etc/hostname', join(folder, 'cache.key'))
    await expect(load()).rejects.toMatchObject({ reason: 'data-mode' })
  })

  test('under a key that was handed in keeps none beside it, and opens under no other', async () => {
    const key = randomBytes(32)
    const keyed = await openSealedCache({ folder, key, files })
    await keyed.save({ agentId, lastContact: start }, { snapshot: cache.snapshot, tokens: [] })
    expect(readdirSync(folder)).toEqual(['cache.recent', 'cache.sealed'])
    expect(await load({ from: keyed })).toBeDefined()
    const other = await openSealedCache({ folder, key: randomBytes(32), files })
    expect(await load({ from: other })).toBeUndefined()
  })

  test('writes what is large once, however often the server is heard and tokens come', async () => {
    await save()
    const written = readFileSync(path('cache.sealed'))
    const token = tokenOf('one')
    await cache.apply(changeOf({ position: 8 }))
    await save(minuteOf(50), [token])
    expect(readFileSync(path('cache.sealed')).equals(written)).toBe(true)
    clock.jump(80 * 60_000)
    const restored = await load()
    expect(restored?.lastContact).toEqual(minuteOf(50))
    expect(restored?.snapshot).toMatchObject({ position: 8, logId: 'log' })
    expect(restored?.tokens).toMatchObject([{ token: 'one', entry: { id: 'web' } }])
    // Also after the restart, as long as it is the same that is served.
    if (restored !== undefined)
      await sealed.save({ ...restored, lastContact: minuteOf(70) }, restored)
    expect(readFileSync(path('cache.sealed')).equals(written)).toBe(true)
    expect((await load())?.lastContact).toEqual(minuteOf(70))
  })

  test('T22 a time of the last contact counts for no other snapshot than the one it was confirmed for', async () => {
    await save()
    copyFileSync(path('cache.sealed'), join(folder, 'older'))
    await cache.apply(changeOf({ position: 8, removedEntryIds: ['web'] }))
    await save(minuteOf(50))
    copyFileSync(join(folder, 'older'), path('cache.sealed'))
    expect(await load()).toMatchObject({
      lastContact: start,
      tokens: [],
      snapshot: { position: 7 },
    })
    clock.jump(61 * 60_000)
    expect(await load()).toBeUndefined()
  })

  test('T22 without the time of the last contact, or with one that was touched, what was kept is as old as when it was written', async () => {
    await save()
    await save(minuteOf(50), [tokenOf('one')])
    const good = readFileSync(path('cache.recent'))
    const header = good.indexOf('{')
    const touched = [0, 27, header + 12, header + 80, good.length >> 1, good.length - 1].map(
      (at) => {
        const bad = Buffer.from(good)
        bad[at] = (bad[at] ?? 0) ^ 1
        return bad
      },
    )
    const others = [Buffer.alloc(0), good.subarray(0, -1), readFileSync(path('cache.sealed'))]
    for (const bytes of [...touched, ...others]) {
      writeFileSync(path('cache.recent'), bytes)
      expect(await load()).toMatchObject({ lastContact: start, tokens: [] })
    }
    rmSync(path('cache.recent'))
    expect(await load()).toMatchObject({ lastContact: start, tokens: [] })
    // One part is not taken for the other.
    writeFileSync(path('cache.sealed'), good)
    expect(await load()).toBeUndefined()
  })

  test('F6 10,000 entries and 1,000 SVIDs are back in moments', { timeout: 120_000 }, async () => {
    const entries = Array.from({ length: 10_000 }, (_, at) =>
      entryOf(`/n/${at}`, [`unix:uid:${at}`], { id: `n${at}` }),
    )
    await cache.apply(changeOf({ position: 8, snapshot: true, entries }))
    await sign(cache, clock, ca, entries.slice(0, 1000))
    await save()
    let next = cache
    const restart = async (): Promise<void> => {
      const restored = await load()
      next = new Cache({ trustDomain, clock })
      if (restored !== undefined) next.restore(restored.snapshot)
    }
    // bench/ has the figure; this tells it from a look at all others for each of them.
    expect(await leastCpuMs(3, restart)).toBeLessThan(4000)
    expect(pathsOf(next.current(selectorsOf('unix:uid:5')))).toEqual(['/n/5'])
  })
})

describe('the sealer', () => {
  let about: { agentId: SpiffeId; lastContact: Date } | undefined
  let saves: number
  let sealer: Sealer

  beforeEach(() => {
    about = { agentId, lastContact: start }
    saves = 0
    const counted: SealedCache = {
      ...sealed,
      save: (...args) => {
        saves += 1
        return sealed.save(...args)
      },
    }
    const jwt = { records: () => [] } as unknown as JwtCache
    sealer = new Sealer({ sealed: counted, cache, jwt, about: () => about, clock, log: silentLog })
  })

  test('writes behind what changes, a hundred changes at once', async () => {
    const over = new AbortController()
    const running = sealer.run(over.signal).catch(() => undefined)
    for (let at = 0; at < 100; at += 1) await cache.apply(changeOf({ position: 8 + at }))
    expect(saves).toBe(0)
    await clock.advance(500)
    expect(saves).toBe(1)
    for (let second = 0; second < 10; second += 1) {
      await cache.apply(changeOf({ position: 200 + second }))
      await clock.advance(1000)
    }
    expect(saves).toBeLessThanOrEqual(6)
    over.abort()
    await running
    expect((await load())?.snapshot.position).toBe(209)
  })

  test('rests twenty times as long as it wrote, however much is new', async () => {
    const begunAtMs: number[] = []
    const slow: SealedCache = {
      ...sealed,
      async save() {
        begunAtMs.push(clock.monotonicMs())
        await clock.sleep(500)
      },
    }
    const jwt = { records: () => [] } as unknown as JwtCache
    const parts = { cache, jwt, about: () => about, clock, log: silentLog }
    const over = new AbortController()
    const running = new Sealer({ ...parts, sealed: slow }).run(over.signal).catch(() => undefined)
    for (let at = 0; at < 300; at += 1) {
      await cache.apply(changeOf({ position: 8 + at }))
      await clock.advance(100)
    }
    expect(begunAtMs).toEqual([500, 11_500, 22_500])
    over.abort()
    await clock.advance(500)
    await running
  })

  test('writes the time of the last contact alone while nothing else is new, and JWT-SVIDs with it', async () => {
    const over = new AbortController()
    const running = sealer.run(over.signal).catch(() => undefined)
    await cache.apply(changeOf({ position: 8, entries: [entryOf('/db', ['unix:uid:1'])] }))
    // Files are written in real time, which the clock does not wait for.
    const until = { interval: 5 }
    const pass = (ms: number) => clock.advance(ms).then(() => readdirSync(folder))
    await expect.poll(() => pass(500), until).toContain('cache.recent')
    const written = readFileSync(path('cache.sealed'))
    const from = await openSealedCache({ folder, files })
    for (let time = 1; time <= 5; time += 1) {
      about = { agentId, lastContact: clock.now() }
      const { lastContact } = about
      await expect
        .poll(() => pass(10_000).then(() => load({ from, maxOfflineMs: Infinity })), until)
        .toMatchObject({ lastContact })
    }
    expect(readFileSync(path('cache.sealed')).equals(written)).toBe(true)
    over.abort()
    await running
  })

  test('writes nothing after a ban, and what was there is gone', async () => {
    await save()
    const over = new AbortController()
    const running = sealer.run(over.signal).catch(() => undefined)
    about = undefined
    cache.clear()
    await sealer.erase()
    await clock.advance(10_000)
    expect(readdirSync(folder)).toEqual([])
    over.abort()
    await running
    expect(readdirSync(folder)).toEqual([])
  })

  test('T26 a tainted authority erases at once what it signed', async () => {
    await save()
    const over = new AbortController()
    const running = sealer.run(over.signal).catch(() => undefined)
    await settle()
    await cache.apply(changeOf({ position: 8, bundles: [bundleWith([{ ca, tainted: true }])] }))
    await expect.poll(() => readdirSync(folder)).toEqual([])
    over.abort()
    await running
  })
})

describe('the folder that a reboot forgets', () => {
  test('is ours, private and in memory; another place is not taken', async () => {
    const disk = await mkdir(join(folder, 'disk'), { recursive: true })
    const found = await volatileFolder({ dataDir: folder, runtimeDir: disk })
    expect(found).toMatch(/^\/dev\/shm\/countersign-\d+-[0-9a-f]{16}$/)
    expect((await stat(found ?? '')).mode & 0o777).toBe(0o700)
    await chmod(found ?? '', 0o755)
    expect(await volatileFolder({ dataDir: folder, runtimeDir: disk })).toBeUndefined()
    rmSync(found ?? '', { recursive: true })
    symlinkSync(folder, found ?? '')
    expect(await volatileFolder({ dataDir: folder, runtimeDir: undefined })).toBeUndefined()
    rmSync(found ?? '')
  })

  test('is another for another data folder', async () => {
    const one = await volatileFolder({ dataDir: `${folder}/1`, runtimeDir: '/dev/shm' })
    const two = await volatileFolder({ dataDir: `${folder}/2`, runtimeDir: '/dev/shm' })
    expect(one).not.toBe(two)
    for (const path of [one, two]) rmSync(path ?? '', { recursive: true })
  })
})
