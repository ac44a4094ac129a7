import { generateKeyPairSync } from 'node:crypto'
import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { Cache } from '../../../../agent/cache/cache.ts'
import { makeNewKey, type NewKey } from '../../../../agent/node-attestation/new-key.ts'
import { type RenewDeps, renew, type SignBatch } from '../../../../agent/sync/renew.ts'
import type { Entry } from '../../../../src/entry/entry.ts'
import { CountersignError } from '../../../../src/errors.ts'
import { silentLog } from '../../../../src/runtime/log.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { parseCsr } from '../../../../src/x509/csr.ts'
import type { CertificateAuthority } from '../../../../src/x509/issue.ts'
import { spkiOf } from '../../../../src/x509/key.ts'
import {
  bundleWith,
  changeOf,
  entryOf,
  hourMs,
  leafFor,
  makeCa,
  selectorsOf,
  settle,
  svidFor,
  trustDomain,
  watch,
} from '../cache/fixture.ts'

let ca: CertificateAuthority
let foreign: CertificateAuthority
let clock: FakeClock
let cache: Cache
let batches: string[][]
let entries: Map<string, Entry>
let serverAheadMs: number

beforeAll(async () => {
  ca = await makeCa()
  foreign = await makeCa()
})

beforeEach(() => {
  clock = new FakeClock()
  cache = new Cache({ trustDomain, clock })
  batches = []
  entries = new Map()
  serverAheadMs = 0
})

const wrong = new CountersignError('forbidden', 'no', { reason: 'svid-refused' })

/** A server that signs what it is asked for. */
const sign: SignBatch = async (requests) => {
  batches.push(requests.map(({ entryId }) => entryId))
  return Promise.all(
    requests.map(async ({ entryId, csr }) => {
      const entry = entries.get(entryId)
      const from = new Date(clock.now().getTime() + serverAheadMs)
      return entry === undefined ? wrong : [await leafFor(parseCsr(csr).spki, entry, ca, { from })]
    }),
  )
}

function give(given: readonly Entry[]): void {
  for (const entry of given) entries.set(entry.id, entry)
  void cache.apply(changeOf({ snapshot: true, entries: given, bundles: [bundleWith([{ ca }])] }))
}

/** Runs the loop while `act` looks on. */
async function during(
  act: () => Promise<void>,
  signBatch: SignBatch = sign,
  more: Partial<Pick<RenewDeps, 'makeKey' | 'shown' | 'random'>> = {},
): Promise<void> {
  const over = new AbortController()
  const running = renew(
    {
      ...{ cache, trustDomain, sign: signBatch, shown: () => undefined, clock, log: silentLog },
      ...{ random: () => 0.5, ...more },
    },
    over.signal,
  ).catch((error) => {
    if (!over.signal.aborted) throw error
  })
  try {
    await act()
  } finally {
    over.abort()
    await running
  }
  expect(clock.sleeping).toBe(0)
}

const some = (count: number): Entry[] =>
  Array.from({ length: count }, (_, at) =>
    entryOf(`/n/${at}`, [`unix:uid:${at}`], { id: `n${at}` }),
  )

/** Lets the fake time pass in steps, with real time for keys and signatures in between. */
async function pass(ms: number, stepMs: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += stepMs) {
    await clock.advance(Math.min(stepMs, ms - passed))
    await quiet()
  }
}

/** Resolves once nothing new has been asked for a while. */
async function quiet(): Promise<void> {
  for (let seen = -1; seen !== batches.length; ) {
    seen = batches.length
    for (let turn = 0; turn < 10; turn += 1) {
      await generated()
      await settle()
    }
  }
}

/** A trip through libuv's pool, where keys are made. */
function generated(): Promise<void> {
  return new Promise((resolve) => {
    crypto.subtle.digest('SHA-256', Buffer.alloc(1)).then(() => resolve())
  })
}

describe('the loop', () => {
  test('gets what is missing in batches of at most 500, one at a time', async () => {
    give(some(700))
    await during(async () => {
      await expect.poll(() => cache.snapshot.svids.size).toBe(700)
    })
    expect(batches.map(({ length }) => length)).toEqual([500, 200])
  })

  test('renews each once at half its life, and never asks in between', async () => {
    give(some(3))
    await during(async () => {
      await expect.poll(() => cache.snapshot.svids.size).toBe(3)
      batches = []
      await pass(hourMs / 2 - 10_000, hourMs / 8)
      expect(batches).toEqual([])
      await pass(20_000, 5000)
      expect(batches.flat().sort()).toEqual(['n0', 'n1', 'n2'])
    })
  })

  test('a new entry gets its SVID without waiting for anything', async () => {
    give(some(1))
    await during(async () => {
      await expect.poll(() => cache.snapshot.svids.size).toBe(1)
      const stream = watch(cache, selectorsOf('unix:uid:7'))
      const entry = entryOf('/new', ['unix:uid:7'], { id: 'new' })
      entries.set('new', entry)
      await cache.apply(changeOf({ position: 2, entries: [entry] }))
      await expect.poll(() => stream.last?.identities.length).toBe(1)
      await stream.stop()
    })
  })

  test('one key is made ahead in a quiet moment, and no two SVIDs have the same', async () => {
    const made: NewKey[] = []
    const asked: Buffer[] = []
    const makeKey = async (): Promise<NewKey> => {
      const key = await makeNewKey()
      made.push(key)
      return key
    }
    const noting: SignBatch = (requests, signal) => {
      asked.push(...requests.map(({ csr }) => csr))
      return sign(requests, signal)
    }
    const act = async (): Promise<void> => {
      await expect.poll(() => made.length).toBe(1)
      expect(asked).toEqual([])
      give(some(3))
      await expect.poll(() => cache.snapshot.svids.size).toBe(3)
      await expect.poll(() => made.length).toBe(4)
      expect(new Set(asked)).toEqual(new Set(made.slice(0, 3).map(({ csr }) => csr)))
      const keys = [...cache.snapshot.svids.values()].map(({ svid }) => svid.privateKey)
      expect(new Set(keys).size).toBe(3)
    }
    await during(act, noting, { makeKey })
  })

  test('keys are made a few at a time, so that they come back to the loop in no great piece', async () => {
    let making = 0
    let most = 0
    const makeKey = async (): Promise<NewKey> => {
      making += 1
      most = Math.max(most, making)
      const key = await makeNewKey()
      making -= 1
      return key
    }
    give(some(100))
    const act = async (): Promise<void> => {
      await expect.poll(() => cache.snapshot.svids.size).toBe(100)
    }
    await during(act, sign, { makeKey })
    expect(most).toBe(16)
  })

  test('T20 a clock that jumps an hour either way costs one request for each SVID at most', async () => {
    give(some(2))
    await during(async () => {
      await expect.poll(() => cache.snapshot.svids.size).toBe(2)
      batches = []
      clock.jump(-hourMs)
      await pass(60_000, 5000)
      expect(batches).toEqual([])
      // The server's clock stays where it was: by ours, what it signs has expired when it comes.
      clock.jump(2 * hourMs)
      serverAheadMs = -hourMs - 5000
      await pass(10 * 60_000, 5000)
      expect(batches.flat().sort()).toEqual(['n0', 'n1'])
      expect(cache.snapshot.svids.size).toBe(2)
      // Set right again, the rest of the old life counts.
      clock.jump(-hourMs)
      serverAheadMs = 0
      batches = []
      await pass(20 * 60_000, 60_000)
      expect(batches.flat().sort()).toEqual(['n0', 'n1'])
    })
  })

  test('T26 a tainted authority has all that it signed renewed at once', async () => {
    const next = await makeCa()
    give(some(2))
    await during(async () => {
      await expect.poll(() => cache.snapshot.svids.size).toBe(2)
      const before = cache.snapshot.svids
      ca = next
      const bundle = bundleWith([{ ca: next }])
      await cache.apply(changeOf({ position: 2, bundles: [bundle] }))
      await expect.poll(() => cache.snapshot.svids.get('n0') !== before.get('n0')).toBe(true)
      await expect.poll(() => cache.snapshot.svids.get('n1') !== before.get('n1')).toBe(true)
    })
  })

  test('T26 what a revocation has ended is renewed once, when it is due; a server whose clock is behind is asked ever more slowly', async () => {
    const [first, second] = some(2) as [Entry, Entry]
    give([first, second])
    await during(async () => {
      await expect.poll(() => cache.snapshot.svids.size).toBe(2)
      batches = []
      const good = Math.floor(clock.now().getTime() / 1000) + 1
      const goodFrom = { x509: good - 10, jwt: good, renewAtMs: clock.monotonicMs() + 1500 }
      const revoked = { entries: [first], goodFrom: new Map([[first.id, goodFrom]]) }
      await cache.apply(changeOf({ position: 2, ...revoked }))
      await pass(1499, 500)
      expect(batches).toEqual([])
      serverAheadMs = -8000
      await pass(60_000, 500)
      expect(new Set(batches.flat())).toEqual(new Set([first.id]))
      // Its SVIDs are good from the eighth second on.
      expect(batches.length).toBeGreaterThan(2)
      expect(batches.length).toBeLessThan(6)
      const { svid } = cache.snapshot.svids.get(first.id) ?? {}
      expect(svid?.notBefore.getTime()).toBeGreaterThanOrEqual(goodFrom.x509 * 1000)
      batches = []
      await cache.apply(changeOf({ position: 3, ...revoked }))
      await pass(5000, 500)
      expect(batches).toEqual([])
    })
  })
})

describe('what a server answers', () => {
  const [web] = some(1) as [Entry]
  const answers: readonly (readonly [string, SignBatch])[] = [
    ['another ID', (requests) => answerWith(requests, entryOf('/else', ['unix:uid:1']), () => ca)],
    ['another authority', (requests) => answerWith(requests, web, () => foreign)],
    [
      'another key',
      async () => {
        const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
        return [[await leafFor(spkiOf(publicKey), web, ca)]]
      },
    ],
    [
      'an SVID that has expired',
      (requests) =>
        answerWith(requests, web, () => ca, new Date(clock.now().getTime() - 2 * hourMs)),
    ],
    ['no certificate', async () => [[]]],
    ['what is no certificate', async () => [[Buffer.from('nonsense')]]],
  ]

  async function answerWith(
    requests: Parameters<SignBatch>[0],
    entry: Entry,
    signer: () => CertificateAuthority,
    from = clock.now(),
  ) {
    return Promise.all(
      requests.map(async ({ csr }) => [
        await leafFor(parseCsr(csr).spki, entry, signer(), { from }),
      ]),
    )
  }

  test.each(answers)('%s is refused, and asked for again later', async (_, answer) => {
    give([web])
    let asked = 0
    const counting: SignBatch = (requests, signal) => {
      asked += 1
      return answer(requests, signal)
    }
    await during(async () => {
      await expect.poll(() => asked).toBe(1)
      await settle()
      expect(cache.snapshot.svids.size).toBe(0)
    }, counting)
  })

  test('one that is refused takes nothing from the others, and is tried again ever more slowly', async () => {
    give(some(3))
    entries.delete('n1')
    await during(async () => {
      await expect.poll(() => cache.snapshot.svids.size).toBe(2)
      batches = []
      await pass(120_000, 500)
      expect(batches.length).toBeGreaterThanOrEqual(5)
      expect(batches.length).toBeLessThanOrEqual(9)
      expect(new Set(batches.flat())).toEqual(new Set(['n1']))
    })
  })

  test('F7 a server that is away is asked every few seconds, with the keys of before', async () => {
    give(some(2))
    const csrs = new Set<string>()
    let asked = 0
    let back = false
    const away: SignBatch = async (requests, signal) => {
      asked += 1
      for (const { csr } of requests) csrs.add(csr.toString('hex'))
      if (!back) throw new CountersignError('unavailable', 'away', { reason: 'away' })
      return sign(requests, signal)
    }
    await during(async () => {
      await expect.poll(() => asked).toBe(1)
      await pass(30_000, 500)
      expect(asked).toBeGreaterThan(8)
      expect(asked).toBeLessThan(25)
      back = true
      await pass(3000, 500)
      await expect.poll(() => cache.snapshot.svids.size).toBe(2)
    }, away)
    expect(csrs.size).toBe(2)
  })

  /** A server that answers nothing of a batch in which one of the first three is. */
  const refusesBatches: SignBatch = async (requests, signal) => {
    const answers = await sign(requests, signal)
    if (requests.some(({ entryId }) => /^n[012]$/.test(entryId))) throw wrong
    return answers
  }

  test('a batch that is refused whole is asked for again as one, ever more seldom, and holds up nothing else', async () => {
    give(some(3))
    let drawn = 0
    const random = (): number => {
      drawn = (drawn + 0.37) % 1
      return drawn
    }
    const act = async (): Promise<void> => {
      await expect.poll(() => batches.length).toBe(1)
      await pass(240_000, 500)
      expect(batches.length).toBeGreaterThanOrEqual(7)
      expect(batches.length).toBeLessThanOrEqual(10)
      expect(new Set(batches.map((ids) => ids.length))).toEqual(new Set([3]))
      batches = []
      const fresh = entryOf('/new', ['unix:uid:7'], { id: 'new' })
      entries.set('new', fresh)
      await cache.apply(changeOf({ position: 2, entries: [fresh] }))
      await expect.poll(() => cache.snapshot.svids.size).toBe(1)
      expect(batches).toEqual([['new']])
      const changed = entryOf('/n/0', ['unix:uid:0'], { id: 'n0', dnsNames: ['n0.example.org'] })
      await cache.apply(changeOf({ position: 3, entries: [changed] }))
      await expect.poll(() => batches).toEqual([['new'], ['n0']])
    }
    await during(act, refusesBatches, { random })
  })

  test('a refusal of before does not count for an agent that shows another SVID', async () => {
    give(some(3))
    const own = await svidFor(entryOf('/agent', ['unix:uid:0']), ca)
    let shown: typeof own | undefined
    await during(
      async () => {
        await pass(200_000, 500)
        batches = []
        shown = own
        await pass(5000, 500)
        expect(batches[0]).toHaveLength(3)
      },
      refusesBatches,
      { shown: () => shown },
    )
  })
})
